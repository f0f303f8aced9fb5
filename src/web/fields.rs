//! Our own few parameters, out of a query or a form.

use url::form_urlencoded;

/// Decoded names and values, in order.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

/// A parameter came twice: which one was meant nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a parameter occurs more than once")]
pub struct Repeated;

impl Fields {
    /// Reads `application/x-www-form-urlencoded` octets, as WHATWG wants it: nothing is an error.
    #[must_use]
    pub fn read(octets: &[u8]) -> Self {
        Self(form_urlencoded::parse(octets).into_owned().collect())
    }

    /// The value of a parameter, none if it is absent.
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (value, None) => Ok(value),
        }
    }
}

/// A path of ours with parameters.
#[must_use]
pub fn address<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_decoded_and_counted_after_decoding() {
        let fields = Fields::read(b"idp=a+b%26&retur%6e_to=/x&return_to=/y&empty=");
        assert_eq!(fields.one("idp"), Ok(Some("a b&")));
        assert_eq!(fields.one("return_to"), Err(Repeated));
        assert_eq!(fields.one("empty"), Ok(Some("")));
        assert_eq!(fields.one("absent"), Ok(None));
    }

    #[test]
    fn an_address_encodes_what_would_be_another_parameter() {
        assert_eq!(address("/saml/login", [("idp", "a&b=c#d")]), "/saml/login?idp=a%26b%3Dc%23d");
        assert_eq!(address("/saml/login", []), "/saml/login");
    }
}
