//! How an identity provider can hear of a logout.

/// Who said "over".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// An administrator: no browser is there (SLO-46).
    Admin,
    /// An identity provider, by its LogoutRequest.
    Idp,
    /// An OpenID provider, by its logout token: no browser is there.
    Oidc,
    /// The person, in a browser.
    Person,
}

/// What an identity provider's metadata offers for our LogoutRequest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// It takes one over SOAP.
    pub soap: bool,
    /// It takes one through the browser, by Redirect or POST.
    pub front: bool,
}

/// The way one LogoutRequest takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Through the browser: now, or when it next comes by.
    Front,
    /// Directly, over SOAP.
    Soap,
    /// None: there is no single-logout endpoint, or nobody to name in the request.
    None,
}

impl Reach {
    /// An identity provider that cannot be told.
    pub const NONE: Self = Self { soap: false, front: false };

    /// The way to this identity provider. With a browser the front channel comes first, because
    /// over SOAP the identity provider could not tell others through the front channel (Profiles
    /// 4.4.3.1; SLO-44); without one, SOAP comes first.
    #[must_use]
    pub const fn route(self, trigger: Trigger) -> Route {
        match (self.front, self.soap, trigger) {
            (false, false, _) => Route::None,
            (true, _, Trigger::Person) | (true, false, _) => Route::Front,
            (_, true, _) => Route::Soap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slo_44_a_browser_prefers_the_front_channel_and_its_absence_prefers_soap() {
        let reach = |front, soap| Reach { soap, front };
        for (reach, trigger, route) in [
            (reach(true, true), Trigger::Person, Route::Front),
            (reach(true, false), Trigger::Person, Route::Front),
            (reach(false, true), Trigger::Person, Route::Soap),
            (reach(true, true), Trigger::Admin, Route::Soap),
            (reach(true, false), Trigger::Admin, Route::Front),
            (reach(true, true), Trigger::Idp, Route::Soap),
            (Reach::NONE, Trigger::Person, Route::None),
            (Reach::NONE, Trigger::Admin, Route::None),
        ] {
            assert_eq!(reach.route(trigger), route, "{reach:?} {trigger:?}");
        }
    }
}
