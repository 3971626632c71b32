//! One sign-in in all forms, then each column by fact: hand-written events in the documented format, each
//! with what it must give and, where it nearly says something else, what it must not.

use std::sync::Arc;

use virga_engine::event::ColumnValue;

use super::SOURCE;
use crate::sources::Describer;
use crate::sources::derive::text;
use crate::sources::recognise;
use crate::sources::testing::{check, column, field, time};

/// One failed sign-in as Event Hubs, Graph and Log Analytics deliver it.
const EVENT_HUB: &str = r#"{"time":"2026-11-18T09:16:31.0031177Z","resourceId":"/tenants/t-1/providers/Microsoft.aadiam",
    "operationName":"Sign-in activity","category":"SignInLogs","tenantId":"t-1","resultType":"500121","resultSignature":"None",
    "resultDescription":"Authentication failed during strong authentication request.","durationMs":0,
    "callerIpAddress":"203.0.113.66","correlationId":"c-1","identity":"Lena Vogt","Level":4,"location":"PE","properties":{
    "id":"s-1","createdDateTime":"2026-11-18T09:14:40.0031177+00:00","userPrincipalName":"Lena.Vogt@example.com","userId":"u-1",
    "appId":"a-1","appDisplayName":"Azure Portal","ipAddress":"203.0.113.66","status":{"errorCode":500121,
    "failureReason":"Authentication failed during strong authentication request.","additionalDetails":"MFA denied"},
    "clientAppUsed":"Browser","userAgent":"curl/8","deviceDetail":{"deviceId":"","isCompliant":false,"trustType":""},
    "location":{"city":"Lima","countryOrRegion":"pe","geoCoordinates":{"latitude":-12.05,"longitude":-77.04}},
    "correlationId":"c-1","conditionalAccessStatus":"notApplied","isInteractive":true,"networkLocationDetails":[],
    "riskState":"atRisk","resourceDisplayName":"Microsoft Graph","resourceId":"r-1","authenticationDetails":[
    {"authenticationStepRequirement":"Primary authentication","succeeded":true},
    {"authenticationStepRequirement":"Multi-factor authentication","succeeded":false}],"authenticationProtocol":"ropc",
    "authenticationRequirement":"multiFactorAuthentication","autonomousSystemNumber":64511,"sessionId":"ss-1",
    "uniqueTokenIdentifier":"tk-1"}}"#;

const GRAPH: &str = r#"{"id":"s-1","createdDateTime":"2026-11-18T09:14:40.0031177Z","userPrincipalName":"Lena.Vogt@example.com","userId":"u-1",
    "appId":"a-1","appDisplayName":"Azure Portal","ipAddress":"203.0.113.66","status":{"errorCode":500121,
    "failureReason":"Authentication failed during strong authentication request.","additionalDetails":"MFA denied"},
    "clientAppUsed":"Browser","userAgent":"curl/8","deviceDetail":{"deviceId":"","isCompliant":false,"trustType":""},
    "location":{"city":"Lima","countryOrRegion":"PE","geoCoordinates":{"latitude":-12.05,"longitude":-77.04}},
    "correlationId":"c-1","conditionalAccessStatus":"notApplied","isInteractive":true,"networkLocationDetails":[],
    "riskState":"atRisk","resourceDisplayName":"Microsoft Graph","resourceId":"r-1","resourceTenantId":"t-1","homeTenantId":"t-1",
    "authenticationDetails":[{"authenticationStepRequirement":"Primary authentication","succeeded":true},
    {"authenticationStepRequirement":"Multi-factor authentication","succeeded":false}],"authenticationProtocol":"ropc",
    "authenticationRequirement":"multiFactorAuthentication","autonomousSystemNumber":64511,"sessionId":"ss-1",
    "uniqueTokenIdentifier":"tk-1","servicePrincipalId":""}"#;

const LOG_ANALYTICS: &str = r#"{"TenantId":"workspace","SourceSystem":"Azure AD","TimeGenerated":"2026-11-18T09:14:40.0031177Z",
    "ResourceId":"/tenants/t-1/providers/Microsoft.aadiam","OperationName":"Sign-in activity","Category":"SignInLogs",
    "ResultType":"500121","ResultSignature":"None","ResultDescription":"Authentication failed during strong authentication request.",
    "CorrelationId":"c-1","Identity":"Lena Vogt","Location":"PE","AppId":"a-1","AppDisplayName":"Azure Portal",
    "AuthenticationDetails":"[{\"authenticationStepRequirement\":\"Primary authentication\",\"succeeded\":true},{\"authenticationStepRequirement\":\"Multi-factor authentication\",\"succeeded\":false}]",
    "AuthenticationProtocol":"ropc","AuthenticationRequirement":"multiFactorAuthentication","AutonomousSystemNumber":"64511","ClientAppUsed":"Browser",
    "ConditionalAccessStatus":"notApplied","DeviceDetail":"{\"deviceId\":\"\",\"isCompliant\":false,\"trustType\":\"\"}","Id":"s-1",
    "IPAddress":"203.0.113.66","LocationDetails":"{\"city\":\"Lima\",\"countryOrRegion\":\"PE\",\"geoCoordinates\":{\"latitude\":-12.05,\"longitude\":-77.04}}",
    "NetworkLocationDetails":"[]","RiskState":"atRisk","ResourceDisplayName":"Microsoft Graph","ResourceIdentity":"r-1","SessionId":"ss-1",
    "Status":"{\"errorCode\":500121,\"failureReason\":\"Authentication failed during strong authentication request.\",\"additionalDetails\":\"MFA denied\"}",
    "UniqueTokenIdentifier":"tk-1","UserAgent":"curl/8","UserId":"u-1","UserPrincipalName":"Lena.Vogt@example.com","AADTenantId":"t-1","Type":"SigninLogs"}"#;

const FORMS: [(&str, &str); 3] =
    [("event hub", EVENT_HUB), ("graph", GRAPH), ("log analytics", LOG_ANALYTICS)];

#[test]
fn every_form_gives_the_same_columns() {
    for (form, event) in FORMS {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.signin"), "{form}");
        for (name, expected) in [
            ("provider", r#""azure""#),
            ("principal", r#""lena.vogt@example.com""#),
            ("principal_type", r#""user""#),
            ("principal_name", r#""lena.vogt@example.com""#),
            ("session_id", r#""ss-1""#),
            ("credential_id", r#""tk-1""#),
            ("mfa", "false"),
            ("src_ip", r#""203.0.113.66""#),
            ("src_ip_kind", r#""public""#),
            ("src_net", r#""203.0.113.0/24""#),
            ("src_asn", "64511"),
            ("src_country", r#""PE""#),
            ("src_lat", "-12.05"),
            ("src_lon", "-77.04"),
            ("user_agent", r#""curl/8""#),
            ("account", r#""t-1""#),
            ("org", r#""t-1""#),
            ("service", r#""entra""#),
            ("action", r#""Sign-in activity""#),
            ("action_kind", r#""auth""#),
            ("outcome", r#""failure""#),
            ("error_code", r#""500121""#),
            ("error_message", r#""Authentication failed during strong authentication request.""#),
            ("target", r#""r-1""#),
            ("target_type", r#""application""#),
            ("correlation_uid", r#""c-1""#),
            ("region", "-"),
            ("target_user", "-"),
        ] {
            assert_eq!(column(&SOURCE, event, name), expected, "{name}, {form}");
        }
    }
}

#[test]
fn rules_find_their_fields_in_every_form() {
    let reason = r#""Authentication failed during strong authentication request.""#;
    for (form, event) in FORMS {
        for (name, expected) in [
            ("ResultDescription", reason),
            ("Resultdescription", reason),
            ("AuthenticationRequirement", r#""multiFactorAuthentication""#),
            ("properties.authenticationRequirement", r#""multiFactorAuthentication""#),
            ("DeviceDetail.deviceId", r#""""#),
            ("properties.deviceDetail.deviceId", r#""""#),
            ("DeviceDetail.isCompliant", "false"),
            ("DeviceDetail.trusttype", r#""""#),
            ("NetworkLocationDetails", "[]"),
            ("RiskState", r#""atRisk""#),
            ("ClientApp", r#""Browser""#),
            ("Username", r#""Lena.Vogt@example.com""#),
            ("conditionalAccessStatus", r#""notApplied""#),
            ("ResourceDisplayName", r#""Microsoft Graph""#),
            ("userAgent", r#""curl/8""#),
            ("properties.appId", r#""a-1""#),
            ("properties.sessionId", r#""ss-1""#),
            ("callerIpAddress", r#""203.0.113.66""#),
            ("properties.ipAddress", r#""203.0.113.66""#),
            ("properties.location.geoCoordinates.latitude", "-12.05"),
            ("properties.status.errorCode", "500121"),
            ("Status.additionalDetails", r#""MFA denied""#),
            ("properties.resourceId", r#""r-1""#),
            ("ResourceIdentity", r#""r-1""#),
            ("LocationDetails.city", r#""Lima""#),
        ] {
            assert_eq!(field(&SOURCE, event, name), expected, "{name}, {form}");
        }
        let describer = Describer::new(&SOURCE, &Arc::default());
        let raw = describer.unfolded(event);
        assert_eq!(describer.value(&raw, "Properties.Message"), text("Ropc"), "{form}");
        let Some(ColumnValue::List(status)) = describer.value(&raw, "status") else { panic!("{form}") };
        assert_eq!(status[..2], ["Failure", "MFA denied"], "{form}");
        let code = field(&SOURCE, event, "ResultType");
        assert_eq!(code.trim_matches('"'), "500121", "{form}");
    }
}

#[test]
fn tables_loaded_by_hand_are_read() {
    let row = r#"{"Type":"SigninLogs","Status_dynamic":"{\"errorCode\":0}","DeviceDetail_dynamic":"{\"deviceId\":\"d\"}",
        "LocationDetails_dynamic":"{\"countryOrRegion\":\"IL\",\"geoCoordinates\":{\"longitude\":34.79,\"latitude\":32.02}}"}"#;
    check(
        &SOURCE,
        &[
            (row, "outcome", r#""success""#),
            (row, "src_country", r#""IL""#),
            (row, "src_lat", "32.02"),
            (row, "src_lon", "34.79"),
        ],
    );
    assert_eq!(field(&SOURCE, row, "ResultType"), "0");
    assert_eq!(field(&SOURCE, row, "DeviceDetail.deviceId"), r#""d""#);
}

#[test]
fn only_sign_ins_are_recognised() {
    for event in [
        r#"{"Type":"AADNonInteractiveUserSignInLogs"}"#,
        r#"{"Type":"AADServicePrincipalSignInLogs"}"#,
        r#"{"Type":"aadmanagedidentitysigninlogs"}"#,
        r#"{"category":"NonInteractiveUserSignInLogs","operationName":"Sign-in activity"}"#,
        r#"{"category":"ServicePrincipalSignInLogs","operationname":"Sign-in activity"}"#,
        r#"{"category":"MicrosoftServicePrincipalSignInLogs","operationName":"Sign-in activity"}"#,
        r#"{"Type":"MicrosoftServicePrincipalSignInLogs"}"#,
        r#"{"category":"ManagedIdentitySignInLogs","resourceId":"/tenants/t-1/providers/Microsoft.aadiam"}"#,
    ] {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.signin"), "{event}");
    }
    for event in [
        // what a diagnostic setting says of a category
        r#"{"category":"SignInLogs","enabled":true}"#,
        r#"{"category":"ADFSSignInLogs","operationName":"Sign-in activity","resourceId":"/tenants/t/providers/Microsoft.aadiam"}"#,
        r#"{"category":"Administrative","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE","resultType":"Success"}"#,
        r#"{"category":"MicrosoftGraphActivityLogs","resourceId":"/TENANTS/T/PROVIDERS/MICROSOFT.AADIAM","operationName":"Microsoft Graph Activity"}"#,
        r#"{"Type":"OfficeActivity","Operation":"UserLoggedIn"}"#,
        r#"{"createdDateTime":"2026-11-18T09:00:00Z","appId":"a","displayName":"an application"}"#,
        r#"{"createdDateTime":"2026-11-18T09:00:00Z","status":"open","appId":"a","isInteractive":true}"#,
        r#"{"eventType":"user.session.start","outcome":{"result":"SUCCESS"}}"#,
        "{}",
    ] {
        assert_ne!(recognise(event).map(|source| source.name), Some("entra.signin"), "{event}");
    }
}

#[test]
fn every_code_but_zero_is_a_failure_and_an_interrupt_is_neither() {
    for (code, outcome) in [
        ("0", r#""success""#),
        ("50126", r#""failure""#),
        ("50053", r#""failure""#),
        ("50074", r#""failure""#),
        ("50076", r#""failure""#),
        ("50097", r#""failure""#),
        ("500121", r#""failure""#),
        ("53003", r#""failure""#),
        ("7000215", r#""failure""#),
        ("16000", r#""failure""#),
        ("50058", "-"),
        ("50072", "-"),
        ("50125", "-"),
        ("50140", "-"),
        ("50199", "-"),
        ("70016", "-"),
    ] {
        let error = if code == "0" { "-".to_owned() } else { format!("{code:?}") };
        for event in [
            format!(r#"{{"resultType":"{code}","properties":{{}}}}"#),
            format!(r#"{{"resulttype":{code}}}"#),
            format!(r#"{{"status":{{"errorCode":{code}}}}}"#),
            format!(r#"{{"resultType":"Failure","properties":{{"status":{{"errorCode":{code}}}}}}}"#),
            format!(r#"{{"ResultType":"Failure","ResultSignature":"{code}"}}"#),
        ] {
            assert_eq!(column(&SOURCE, &event, "outcome"), outcome, "{event}");
            assert_eq!(column(&SOURCE, &event, "error_code"), error, "{event}");
        }
    }
    check(
        &SOURCE,
        &[
            (r#"{"resultType":"Success","resultSignature":"SUCCESS"}"#, "outcome", r#""success""#),
            (r#"{"resultType":"Failure","resultSignature":"None"}"#, "outcome", r#""failure""#),
            (r#"{"resultType":"Failure"}"#, "error_code", "-"),
            (r#"{"resultType":"","status":{"errorCode":50126}}"#, "outcome", r#""failure""#),
            (r#"{"resultType":"soon"}"#, "outcome", "-"),
            (r#"{"resultType":null}"#, "outcome", "-"),
            (r#"{"resultType":"-1"}"#, "outcome", "-"),
            (r#"{"resultType":{"a":1},"status":"x"}"#, "outcome", "-"),
            (r#"{"resultType":"0","resultDescription":"x"}"#, "error_message", "-"),
            (
                r#"{"resultType":"50140","resultDescription":"Keep me signed in"}"#,
                "error_message",
                r#""Keep me signed in""#,
            ),
            (
                r#"{"resultType":"50126","resultDescription":"N/A","status":{"failureReason":"no"}}"#,
                "error_message",
                r#""no""#,
            ),
        ],
    );
}

#[test]
fn a_principal_is_of_the_kind_that_its_log_holds() {
    let application = r#"{"category":"ServicePrincipalSignInLogs","properties":{"userPrincipalName":"","userId":"",
        "servicePrincipalId":"sp-1","servicePrincipalName":"billing","appId":"a-1"}}"#;
    let unknown = r#"{"category":"ServicePrincipalSignInLogs","resultType":"700016","properties":{"servicePrincipalId":"","appId":"a-1"}}"#;
    let managed =
        r#"{"Type":"AADManagedIdentitySignInLogs","ServicePrincipalId":"sp-2","ServicePrincipalName":"vm"}"#;
    let event_type =
        r#"{"signInEventTypes":["managedIdentity"],"servicePrincipalId":"sp-3","userPrincipalName":null}"#;
    let nobody = r#"{"category":"SignInLogs","properties":{"userPrincipalName":"","userId":"00000000-0000-0000-0000-000000000000","appId":"a-1"}}"#;
    check(
        &SOURCE,
        &[
            (application, "principal", r#""sp-1""#),
            (application, "principal_type", r#""service_principal""#),
            (application, "principal_name", r#""billing""#),
            // the application does not exist, so it has no service principal
            (unknown, "principal", r#""a-1""#),
            (managed, "principal", r#""sp-2""#),
            (managed, "principal_type", r#""managed_identity""#),
            (event_type, "principal", r#""sp-3""#),
            (event_type, "principal_type", r#""managed_identity""#),
            (nobody, "principal", "-"),
            (nobody, "principal_type", r#""user""#),
            (r#"{"userId":"u-1","appId":"a-1"}"#, "principal", r#""u-1""#),
            (r#"{"servicePrincipalId":"sp-1"}"#, "principal_type", r#""service_principal""#),
            (r#"{"signInEventTypes":"broken ["}"#, "principal_type", "-"),
            ("{}", "principal", "-"),
        ],
    );
}

#[test]
fn a_second_factor_is_known_by_its_step_or_by_what_success_needed() {
    let with = |code: &str, requirement: &str, steps: &str| {
        let event = format!(
            r#"{{"resultType":"{code}","properties":{{"authenticationRequirement":"{requirement}","authenticationDetails":{steps}}}}}"#
        );
        column(&SOURCE, &event, "mfa")
    };
    let step = |requirement: &str, succeeded: &str| {
        format!(
            r#"[{{"authenticationStepRequirement":"Primary authentication","succeeded":true}},{{"authenticationStepRequirement":"{requirement}","succeeded":{succeeded}}}]"#
        )
    };
    let (multi, single) = ("multiFactorAuthentication", "singleFactorAuthentication");
    for (code, requirement, steps, expected) in [
        ("0", multi, "[]".to_owned(), "true"),
        ("0", single, "[]".to_owned(), "false"),
        ("50126", single, "[]".to_owned(), "false"),
        // the password was wrong, so nobody came to the second factor
        ("50126", multi, "[]".to_owned(), "-"),
        ("50140", multi, "[]".to_owned(), "-"),
        ("500121", multi, step("Multi-factor authentication", "false"), "false"),
        ("53003", multi, step("User, MultiConditionalAccess", "true"), "true"),
        ("53003", multi, step("multifactor authentication", "\"True\""), "true"),
        ("0", single, step("Multi-factor authentication", "true"), "true"),
        ("0", multi, step("Primary authentication", "true"), "true"),
        ("0", multi, "\"[{broken\"".to_owned(), "true"),
        ("0", multi, "[null,1,{}]".to_owned(), "true"),
        ("0", "unknownFutureValue", "[]".to_owned(), "-"),
    ] {
        assert_eq!(with(code, requirement, &steps), expected, "{code} {requirement} {steps}");
    }
    check(&SOURCE, &[(r#"{"category":"ServicePrincipalSignInLogs","resultType":"0"}"#, "mfa", "-")]);
}

#[test]
fn a_place_is_on_earth() {
    let at = |place: &str| format!(r#"{{"properties":{{"location":{place}}}}}"#);
    let swapped = at(r#"{"countryOrRegion":"KP","geoCoordinates":{"latitude":125.16,"longitude":38.84}}"#);
    let strings =
        at(r#"{"countryOrRegion":"kp","geoCoordinates":{"latitude":"39.03","longitude":"125.75"}}"#);
    let half = at(r#"{"countryOrRegion":"","geoCoordinates":{"latitude":39.03,"longitude":null}}"#);
    check(
        &SOURCE,
        &[
            (&swapped, "src_country", r#""KP""#),
            (&swapped, "src_lat", "-"),
            (&swapped, "src_lon", "-"),
            (&strings, "src_country", r#""KP""#),
            (&strings, "src_lat", "39.03"),
            (&half, "src_lat", "-"),
            (&half, "src_country", "-"),
            (r#"{"location":"US"}"#, "src_country", r#""US""#),
            (r#"{"location":"West Europe"}"#, "src_country", "-"),
            (r#"{"LocationDetails":"{\"countryOrRegion\":"}"#, "src_country", "-"),
            (r#"{"autonomousSystemNumber":"7018"}"#, "src_asn", "7018"),
            (r#"{"autonomousSystemNumber":0}"#, "src_asn", "-"),
            (r#"{"autonomousSystemNumber":"x"}"#, "src_asn", "-"),
            (r#"{"callerIpAddress":"203.0.113.7:443"}"#, "src_ip", r#""203.0.113.7""#),
            (r#"{"properties":{"ipAddress":"2001:db8:1:2::3"}}"#, "src_net", r#""2001:db8:1::/48""#),
            (r#"{"properties":{"ipAddress":"300.1.2.3"}}"#, "src_ip_kind", r#""invalid""#),
            (r#"{"properties":{"ipAddress":""},"callerIpAddress":null}"#, "src_ip", "-"),
        ],
    );
}

#[test]
fn a_tenant_is_never_a_workspace() {
    check(
        &SOURCE,
        &[
            (r#"{"tenantId":"t-1"}"#, "account", r#""t-1""#),
            (r#"{"TenantId":"workspace","Type":"SigninLogs"}"#, "account", "-"),
            (
                r#"{"TenantId":"workspace","TimeGenerated":"2026-11-18T09:00:00Z","AADTenantId":"t-1"}"#,
                "org",
                r#""t-1""#,
            ),
            (
                r#"{"TenantId":"workspace","Type":"SigninLogs","ResourceId":"/tenants/t-1/providers/Microsoft.aadiam"}"#,
                "org",
                r#""t-1""#,
            ),
            (r#"{"homeTenantId":"t-1","resourceTenantId":"t-1"}"#, "org", r#""t-1""#),
            (r#"{"homeTenantId":"t-2","resourceTenantId":"t-1"}"#, "org", "-"),
            (r#"{"homeTenantId":"t-2"}"#, "org", "-"),
        ],
    );
}

#[test]
fn a_target_is_the_application_and_never_the_directory() {
    check(
        &SOURCE,
        &[
            (r#"{"resourceId":"/tenants/t-1/providers/Microsoft.aadiam"}"#, "target", "-"),
            (r#"{"resourceId":"/tenants/t-1/providers/Microsoft.aadiam"}"#, "target_type", "-"),
            (
                r#"{"resourceId":"/tenants/t-1/providers/Microsoft.aadiam","properties":{"resourceDisplayName":"Microsoft Graph"}}"#,
                "target",
                r#""Microsoft Graph""#,
            ),
        ],
    );
}

#[test]
fn the_time_is_when_the_sign_in_began() {
    for (event, expected) in [
        (EVENT_HUB, "2026-11-18T09:14:40.003117Z"),
        (GRAPH, "2026-11-18T09:14:40.003117Z"),
        (LOG_ANALYTICS, "2026-11-18T09:14:40.003117Z"),
        (r#"{"time":"2026-11-18 09:16:31.003"}"#, "2026-11-18T09:16:31.003Z"),
        (
            r#"{"time":"2026-11-18T09:16:31Z","properties":{"createdDateTime":"0001-01-01T00:00:00Z"}}"#,
            "2026-11-18T09:16:31Z",
        ),
        (
            r#"{"CreatedDateTime [UTC]":"?","AuthenticationDetails":"[{\"authenticationStepDateTime\":\"2026-11-18T09:14:40Z\"},{}]"}"#,
            "2026-11-18T09:14:40Z",
        ),
        (r#"{"AuthenticationDetails":"[{"}"#, "-"),
    ] {
        assert_eq!(time(&SOURCE, event), expected, "{event}");
    }
}
