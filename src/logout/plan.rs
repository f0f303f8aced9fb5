//! How an identity provider can hear of a logout.

/// Who said "over".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// An administrator: no browser is there (SLO-46).
    Admin,
    /// An application, over the API.
    Application,
    /// An identity provider, by its LogoutRequest.
    Idp,
    /// An OpenID provider, by its logout token: no browser is there.
    Oidc,
    /// An operator, over the API.
    Operator,
    /// The person, in a browser.
    Person,
}

/// Whether a browser carries the LogoutRequests of a logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// None does; it may come by another time.
    Absent,
    /// An application will send it.
    Expected,
    /// It is there.
    Present,
}

/// What an identity provider's metadata offers for our LogoutRequest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// It takes one over SOAP.
    pub soap: bool,
    /// It takes one through the browser, by Redirect or POST.
    pub front: bool,
}

impl Trigger {
    /// The word for it: in rows, as the reason of the sessions that end, in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Application => "application",
            Self::Idp => "idp",
            Self::Oidc => "oidc",
            Self::Operator => "operator",
            Self::Person => "person",
        }
    }
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
    pub const fn route(self, browser: Browser) -> Route {
        match (self.front, self.soap, browser) {
            (false, false, _) => Route::None,
            (true, _, Browser::Present | Browser::Expected) | (true, false, _) => Route::Front,
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
        for (reach, browser, route) in [
            (reach(true, true), Browser::Present, Route::Front),
            (reach(true, true), Browser::Expected, Route::Front),
            (reach(true, false), Browser::Present, Route::Front),
            (reach(false, true), Browser::Present, Route::Soap),
            (reach(false, true), Browser::Expected, Route::Soap),
            (reach(true, true), Browser::Absent, Route::Soap),
            (reach(true, false), Browser::Absent, Route::Front),
            (Reach::NONE, Browser::Present, Route::None),
            (Reach::NONE, Browser::Absent, Route::None),
        ] {
            assert_eq!(reach.route(browser), route, "{reach:?} {browser:?}");
        }
    }
}
