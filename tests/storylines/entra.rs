//! Sign-ins, as Entra writes them.

use super::*;

/// Where a sign-in comes from, as Entra says it.
pub(super) struct Place {
    pub(super) ip: &'static str,
    pub(super) asn: u32,
    pub(super) city: &'static str,
    pub(super) country: &'static str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

pub(super) const FRANKFURT: Place =
    Place { ip: OFFICE, asn: 64500, city: "Frankfurt", country: "DE", latitude: 50.11, longitude: 8.68 };
pub(super) const SINGAPORE: Place =
    Place { ip: ATTACKER, asn: 64505, city: "Singapore", country: "SG", latitude: 1.29, longitude: 103.85 };
pub(super) const VIRGINIA: Place =
    Place { ip: VPN, asn: 64510, city: "Ashburn", country: "US", latitude: 39.04, longitude: -77.49 };

#[derive(Clone, Copy, PartialEq)]
pub(super) enum SignIn {
    WrongPassword,
    PromptDenied,
    PromptIgnored,
    Password,
    SecondFactor,
}

impl SignIn {
    /// Error code, reason of a failure, details.
    pub(super) fn result(self) -> (u32, &'static str, Option<&'static str>) {
        let wrong = "Error validating credentials due to invalid username or password.";
        let prompt = "Authentication failed during strong authentication request.";
        match self {
            Self::WrongPassword => (50126, wrong, None),
            Self::PromptDenied => (500121, prompt, Some("MFA denied; user declined the authentication")),
            Self::PromptIgnored => (500121, prompt, Some("MFA denied; user did not respond to the prompt")),
            Self::Password => (0, "Other.", None),
            Self::SecondFactor => (0, "Other.", Some("MFA requirement satisfied by claim in the token")),
        }
    }

    /// The requirement, and the steps taken.
    pub(super) fn steps(self) -> (&'static str, Value) {
        let step = |method: &str, succeeded: bool, requirement: &str| {
            json!({"authenticationMethod": method, "succeeded": succeeded,
                "authenticationStepRequirement": requirement})
        };
        let password = step("Password", self != Self::WrongPassword, "Primary authentication");
        if matches!(self, Self::WrongPassword | Self::Password) {
            return ("singleFactorAuthentication", json!([password]));
        }
        let granted = self == Self::SecondFactor;
        let prompt = step("Mobile app notification", granted, "Multi-factor authentication");
        ("multiFactorAuthentication", json!([password, prompt]))
    }
}

/// An interactive sign-in, as it comes through an event hub.
pub(super) fn sign_in(user: &str, place: &Place, kind: SignIn) -> Event {
    let (code, reason, details) = kind.result();
    let (requirement, steps) = kind.steps();
    let name = user.split('@').next().unwrap_or(user);
    let location = json!({"city": place.city, "countryOrRegion": place.country,
        "geoCoordinates": {"altitude": null, "latitude": place.latitude, "longitude": place.longitude}});
    let properties = json!({"userDisplayName": name, "userPrincipalName": user, "userType": "member",
        "appId": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "appDisplayName": "Azure Portal",
        "ipAddress": place.ip, "autonomousSystemNumber": place.asn, "location": location,
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": details},
        "clientAppUsed": "Browser", "userAgent": BROWSER, "isInteractive": true,
        "signInEventTypes": ["interactiveUser"], "authenticationProtocol": "none",
        "authenticationRequirement": requirement, "authenticationDetails": steps,
        "conditionalAccessStatus": if code == 0 { "success" } else { "notApplied" },
        "riskState": "none", "riskLevelDuringSignIn": "none", "riskLevelAggregated": "none",
        "resourceDisplayName": "Microsoft Graph", "resourceId": "00000003-0000-0000-c000-000000000000",
        "homeTenantId": TENANT, "resourceTenantId": TENANT, "servicePrincipalId": ""});
    let raw = json!({"resourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"),
        "operationName": "Sign-in activity", "operationVersion": "1.0", "category": "SignInLogs",
        "tenantId": TENANT, "resultType": code.to_string(), "resultSignature": "None", "durationMs": 0,
        "callerIpAddress": place.ip, "identity": name, "Level": 4, "location": place.country,
        "properties": properties});
    Event::new(SIGN_IN, raw)
}
