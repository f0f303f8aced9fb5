//! A browser without a window: a cookie jar, redirects followed one by one, forms that submit
//! themselves submitted.

use std::sync::Arc;

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, ClientBuilder, Response};
use url::Url;

/// The most hops from one page to the next: a loop is an error, not a wait.
const MAX_HOPS: usize = 20;

/// Why a page could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The connection failed.
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    /// A redirect or form leads nowhere.
    #[error("{0} is no URL")]
    Url(String),
    /// Too many redirects.
    #[error("the way from {0} does not end")]
    Loop(String),
    /// A form that should be on the page is not there.
    #[error("{url} (status {status}) has no form {wanted}")]
    NoForm {
        /// The page.
        url: Url,
        /// Its status.
        status: u16,
        /// The button or field looked for.
        wanted: String,
    },
}

/// One person's browser.
pub struct Browser {
    http: Client,
    jar: Arc<Jar>,
}

/// Where a navigation ended.
#[derive(Debug, Clone)]
pub struct Page {
    /// The address.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// The HTML or JSON.
    pub body: String,
    /// Every address on the way, this one last.
    pub way: Vec<Url>,
}

/// A form of a page.
#[derive(Debug, Clone, Default)]
pub struct Form {
    action: String,
    fields: Vec<(String, String)>,
    /// The buttons that have a name; only the one that is pressed is sent.
    buttons: Vec<(String, String)>,
    /// Whether a script of the page submits it at once.
    automatic: bool,
}

impl Browser {
    /// A browser with an empty cookie jar.
    ///
    /// # Errors
    /// [`BrowserError::Http`] if the HTTP client cannot be made.
    pub fn new() -> Result<Self, BrowserError> {
        Self::trusting(None)
    }

    /// The same, which trusts one more certificate.
    ///
    /// # Errors
    /// [`BrowserError::Http`] if the HTTP client cannot be made.
    pub fn trusting(certificate: Option<Certificate>) -> Result<Self, BrowserError> {
        let jar = Arc::new(Jar::default());
        let pages = HeaderValue::from_static("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        let http = certificate.into_iter().fold(Client::builder(), ClientBuilder::add_root_certificate);
        let http = http
            .cookie_provider(Arc::clone(&jar))
            .default_headers([(ACCEPT, pages)].into_iter().collect())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(20))
            .build()?;
        Ok(Self { http, jar })
    }

    /// The cookies that it would send to an address, as one header.
    #[must_use]
    pub fn cookies(&self, url: &str) -> Option<String> {
        let cookies = self.jar.cookies(&Url::parse(url).ok()?)?;
        cookies.to_str().ok().map(str::to_owned)
    }

    /// Opens an address and goes wherever it leads.
    ///
    /// # Errors
    /// [`BrowserError`].
    pub async fn open(&self, url: &str) -> Result<Page, BrowserError> {
        let url = Url::parse(url).map_err(|_| BrowserError::Url(url.to_owned()))?;
        let response = self.http.get(url.clone()).send().await?;
        self.follow(url, response).await
    }

    /// Submits the form of a page that has a field or button of that name and value, pressing that
    /// button, and goes wherever it leads.
    ///
    /// # Errors
    /// [`BrowserError`].
    pub async fn submit(&self, page: &Page, name: &str, value: Option<&str>) -> Result<Page, BrowserError> {
        let fits = |(n, v): &&(String, String)| n == name && value.is_none_or(|value| v == value);
        let mut form = forms(&page.body)
            .into_iter()
            .find(|form| form.fields.iter().chain(&form.buttons).any(|field| fits(&field)))
            .ok_or_else(|| BrowserError::NoForm {
                url: page.url.clone(),
                status: page.status,
                wanted: name.to_owned(),
            })?;
        let pressed = form.buttons.iter().find(fits).cloned();
        form.fields.extend(pressed);
        let (url, response) = self.post(&page.url, &form).await?;
        self.follow(url, response).await
    }

    /// Sends a form of these fields, as a script of a page would, and goes wherever it leads.
    ///
    /// # Errors
    /// [`BrowserError`].
    pub async fn post_fields(&self, url: &str, fields: &[(&str, &str)]) -> Result<Page, BrowserError> {
        let from = Url::parse(url).map_err(|_| BrowserError::Url(url.to_owned()))?;
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (url, response) =
            self.post(&from, &Form { action: url.to_owned(), fields, ..Form::default() }).await?;
        self.follow(url, response).await
    }

    /// Sends a SOAP message; what comes back is a page like any other.
    ///
    /// # Errors
    /// [`BrowserError`].
    pub async fn post_soap(&self, url: &str, envelope: &str) -> Result<Page, BrowserError> {
        let url = Url::parse(url).map_err(|_| BrowserError::Url(url.to_owned()))?;
        let request = self.http.post(url.clone()).header("content-type", "text/xml; charset=utf-8");
        let response = request.body(envelope.to_owned()).send().await?;
        let status = response.status().as_u16();
        Ok(Page { way: vec![url.clone()], url, status, body: response.text().await? })
    }

    async fn post(&self, from: &Url, form: &Form) -> Result<(Url, Response), BrowserError> {
        let url = from.join(&form.action).map_err(|_| BrowserError::Url(form.action.clone()))?;
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        let kind = "application/x-www-form-urlencoded";
        let response = self.http.post(url.clone()).header("content-type", kind).body(body).send().await?;
        Ok((url, response))
    }

    async fn follow(&self, mut url: Url, mut response: Response) -> Result<Page, BrowserError> {
        let mut way = vec![url.clone()];
        for _ in 0..MAX_HOPS {
            let status = response.status().as_u16();
            if let Some(location) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()) {
                url = url.join(location).map_err(|_| BrowserError::Url(location.to_owned()))?;
                response = self.http.get(url.clone()).send().await?;
            } else {
                let body = response.text().await?;
                let Some(form) = forms(&body).into_iter().find(|form| form.automatic) else {
                    return Ok(Page { url, status, body, way });
                };
                (url, response) = self.post(&url, &form).await?;
            }
            way.push(url.clone());
        }
        Err(BrowserError::Loop(url.to_string()))
    }
}

/// The forms of a page of ours: enough HTML to find tags and attributes in documents that a
/// template engine wrote.
fn forms(html: &str) -> Vec<Form> {
    let scripted = html.contains(".submit()");
    let mut first = html.contains("forms[0].submit()");
    let mut forms = Vec::new();
    for part in html.split("<form").skip(1) {
        let (inside, _) = part.split_once("</form>").unwrap_or((part, ""));
        let (tag, content) = inside.split_once('>').unwrap_or((inside, ""));
        let named = |kind: &str| {
            content
                .split('<')
                .filter(|tag| tag.starts_with(kind))
                .filter_map(|tag| {
                    Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
                })
                .collect()
        };
        let automatic = scripted && (first || attribute(tag, "id").is_some());
        first = false;
        forms.push(Form {
            action: attribute(tag, "action").unwrap_or_default(),
            fields: named("input"),
            buttons: named("button"),
            automatic,
        });
    }
    forms
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = after.split_once('"')?;
    Some(unescape(value))
}

/// Undoes the template engine's escaping.
fn unescape(text: &str) -> String {
    [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_forms_and_their_fields() {
        let html = r#"<form id="saml" method="post" action="https://a/?x=1&#38;y=2"><input type="hidden" name="n" value="&#60;v&#62;">
            <button type="submit" name="scope" value="local">Go</button></form><script>x.submit()</script>"#;
        let forms = forms(html);
        let form = forms.first().cloned().unwrap_or_default();
        assert_eq!(form.action, "https://a/?x=1&y=2");
        assert_eq!(form.fields, [("n".to_owned(), "<v>".to_owned())]);
        assert_eq!(form.buttons, [("scope".to_owned(), "local".to_owned())]);
        assert!(form.automatic);
    }
}
