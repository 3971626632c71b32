//! One detection and one state in all forms, and what is neither: hand-written events in the documented
//! format.

use super::SOURCE;
use crate::sources::recognise;
use crate::sources::testing::{check, column, field, time};

/// One detection as Event Hubs, Graph and Log Analytics deliver it.
const EVENT_HUB: &str = r#"{"time":"11/18/2026 9:16:20 AM","resourceId":"/tenants/t-1/providers/microsoft.aadiam","operationName":"User Risk Detection",
    "operationVersion":"1.0","category":"UserRiskEvents","tenantId":"t-1","durationMs":0,"callerIpAddress":"203.0.113.66","correlationId":"d-1",
    "identity":"lena vogt","Level":4,"location":"pe","properties":{"id":"d-1","requestId":"s-1","correlationId":"c-1","riskType":"anonymizedIPAddress",
    "riskEventType":"anonymizedIPAddress","riskState":"atRisk","riskLevel":"medium","riskDetail":"none","source":"IdentityProtection",
    "detectionTimingType":"realtime","activity":"signin","ipAddress":"203.0.113.66","location":{"city":"Lima","countryOrRegion":"PE",
    "geoCoordinates":{"latitude":-12.05,"longitude":-77.04}},"activityDateTime":"2026-11-18T09:14:40.003Z","detectedDateTime":"2026-11-18T09:14:41.21Z",
    "userId":"u-1","userDisplayName":"Lena Vogt","userPrincipalName":"Lena.Vogt@example.com","additionalInfo":"[{\"Key\":\"userAgent\",\"Value\":\"curl/8\"}]"}}"#;

const GRAPH: &str = r#"{"id":"d-1","requestId":"s-1","correlationId":"c-1","riskEventType":"anonymizedIPAddress","riskState":"atRisk","riskLevel":"medium",
    "riskDetail":"none","source":"IdentityProtection","detectionTimingType":"realtime","activity":"signin","ipAddress":"203.0.113.66",
    "location":{"city":"Lima","countryOrRegion":"PE","geoCoordinates":{"latitude":-12.05,"longitude":-77.04}},
    "activityDateTime":"2026-11-18T09:14:40.003Z","detectedDateTime":"2026-11-18T09:14:41.21Z","userId":"u-1","userDisplayName":"Lena Vogt",
    "userPrincipalName":"Lena.Vogt@example.com","additionalInfo":"[{\"Key\":\"userAgent\",\"Value\":\"curl/8\"}]"}"#;

const LOG_ANALYTICS: &str = r#"{"TenantId":"workspace","TimeGenerated":"2026-11-18T09:14:41.21Z","OperationName":"User Risk Detection","Id":"d-1",
    "RequestId":"s-1","CorrelationId":"c-1","RiskEventType":"anonymizedIPAddress","RiskState":"atRisk","RiskLevel":"medium","Source":"IdentityProtection",
    "IpAddress":"203.0.113.66","Location":"{\"city\":\"Lima\",\"countryOrRegion\":\"PE\",\"geoCoordinates\":{\"latitude\":-12.05,\"longitude\":-77.04}}",
    "ActivityDateTime":"2026-11-18T09:14:40.003Z","DetectedDateTime":"2026-11-18T09:14:41.21Z","UserId":"u-1","UserDisplayName":"Lena Vogt",
    "UserPrincipalName":"Lena.Vogt@example.com","AdditionalInfo":"[{\"Key\":\"userAgent\",\"Value\":\"curl/8\"}]","Type":"AADUserRiskEvents"}"#;

const FORMS: [(&str, &str); 3] =
    [("event hub", EVENT_HUB), ("graph", GRAPH), ("log analytics", LOG_ANALYTICS)];

const STATE: &str = r#"{"time":"11/18/2026 9:17:02 AM","category":"RiskyUsers","operationName":"Risky user","tenantId":"t-1","correlationId":"u-1",
    "properties":{"id":"u-1","userDisplayName":"Lena Vogt","userPrincipalName":"lena.vogt@example.com","riskLastUpdatedDateTime":"2026-11-18T09:14:50.24Z",
    "riskState":"atRisk","riskDetail":"none","riskLevel":"high","isDeleted":false,"isProcessing":false}}"#;

#[test]
fn every_form_gives_the_same_columns() {
    for (form, event) in FORMS {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.risk"), "{form}");
        for (name, expected) in [
            ("provider", r#""azure""#),
            ("principal", r#""lena.vogt@example.com""#),
            ("principal_type", r#""user""#),
            ("principal_name", r#""lena.vogt@example.com""#),
            ("src_ip", r#""203.0.113.66""#),
            ("src_ip_kind", r#""public""#),
            ("src_net", r#""203.0.113.0/24""#),
            ("src_country", r#""PE""#),
            ("src_lat", "-12.05"),
            ("src_lon", "-77.04"),
            ("user_agent", r#""curl/8""#),
            ("service", r#""entra""#),
            ("correlation_uid", r#""c-1""#),
            // a detection is no call
            ("action_kind", "-"),
            ("outcome", "-"),
        ] {
            assert_eq!(column(&SOURCE, event, name), expected, "{name}, {form}");
        }
        for name in ["riskEventType", "properties.riskEventType", "RiskEventType"] {
            assert_eq!(field(&SOURCE, event, name), r#""anonymizedIPAddress""#, "{name}, {form}");
        }
    }
    check(
        &SOURCE,
        &[
            (EVENT_HUB, "account", r#""t-1""#),
            (EVENT_HUB, "action", r#""User Risk Detection""#),
            (LOG_ANALYTICS, "account", "-"),
            (GRAPH, "action", "-"),
        ],
    );
}

#[test]
fn the_time_is_that_of_the_detection_or_of_the_change() {
    for (_, event) in FORMS {
        assert_eq!(time(&SOURCE, event), "2026-11-18T09:14:41.210Z");
    }
    assert_eq!(time(&SOURCE, STATE), "2026-11-18T09:14:50.240Z");
    assert_eq!(
        time(&SOURCE, r#"{"Type":"AADRiskyUsers","TimeGenerated":"2026-11-18T09:14:41Z"}"#),
        "2026-11-18T09:14:41Z"
    );
}

#[test]
fn a_state_is_known_by_its_user_and_a_detection_never_by_its_own_id() {
    let by_id = r#"{"id":"u-1","riskLastUpdatedDateTime":"2026-11-18T09:14:50Z","riskState":"atRisk","riskLevel":"high"}"#;
    let application = r#"{"category":"RiskyServicePrincipals","operationName":"x","properties":{"id":"sp-1","appId":"a-1","displayName":"billing","riskState":"atRisk"}}"#;
    let detection = r#"{"category":"ServicePrincipalRiskEvents","operationName":"x","correlationId":"d-1","properties":{"id":"d-1","riskEventType":"leakedCredentials",
        "correlationId":null,"servicePrincipalId":"sp-1","servicePrincipalDisplayName":"billing","location":null,"ipAddress":null,"additionalInfo":"{\"a\":"}}"#;
    let nobody = r#"{"category":"UserRiskEvents","operationName":"x","correlationId":"d-1","properties":{"id":"d-1","riskEventType":"generic"}}"#;
    for event in [STATE, by_id, application, detection, nobody] {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.risk"), "{event}");
    }
    check(
        &SOURCE,
        &[
            (STATE, "principal", r#""lena.vogt@example.com""#),
            (STATE, "principal_type", r#""user""#),
            (STATE, "correlation_uid", "-"),
            (by_id, "principal", r#""u-1""#),
            (by_id, "principal_type", r#""user""#),
            (application, "principal", r#""sp-1""#),
            (application, "principal_type", r#""service_principal""#),
            (application, "principal_name", r#""billing""#),
            (detection, "principal", r#""sp-1""#),
            (detection, "principal_type", r#""service_principal""#),
            (detection, "principal_name", r#""billing""#),
            (detection, "correlation_uid", "-"),
            (detection, "src_ip", "-"),
            (detection, "user_agent", "-"),
            (nobody, "principal", "-"),
            (nobody, "principal_type", "-"),
            (nobody, "correlation_uid", "-"),
        ],
    );
}

#[test]
fn only_risk_is_recognised() {
    for event in [
        r#"{"Type":"AADServicePrincipalRiskEvents"}"#,
        r#"{"Type":"AADRiskyServicePrincipals"}"#,
        r#"{"category":"ServicePrincipalRiskEvents","properties":{}}"#,
    ] {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.risk"), "{event}");
    }
    for event in [
        r#"{"category":"UserRiskEvents","enabled":true}"#,
        // a sign-in has a risk too
        r#"{"category":"SignInLogs","operationName":"Sign-in activity","properties":{"riskState":"atRisk","riskLevelAggregated":"high","riskEventTypes_v2":["x"]}}"#,
        r#"{"riskLevel":"high","riskState":"open"}"#,
        r#"{"riskEventType":"x","createdDateTime":"2026-11-18T09:00:00Z"}"#,
        "{}",
    ] {
        assert_ne!(recognise(event).map(|source| source.name), Some("entra.risk"), "{event}");
    }
}
