//! Operations, as Azure's activity log writes them.

use super::*;

/// An operation on an account of an AI service, as it comes through an event hub: the record of its
/// start, which has the request, and that of its end a second later. No two begin at one time.
pub(super) fn operation(at: i64, resource: &str, name: &str, request: Option<Value>) -> [Event; 2] {
    let scope = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/{resource}"
    );
    let action = format!("Microsoft.CognitiveServices/accounts/{name}");
    let upn = "eve@corp.example";
    let claims = json!({"aud": "https://management.core.windows.net/", "ipaddr": ATTACKER,
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": upn,
        "http://schemas.microsoft.com/claims/authnmethodsreferences": "pwd",
        "http://schemas.microsoft.com/identity/claims/tenantid": TENANT, "uti": "kF3vQz8mT0aLw6XyRb2NAA"});
    let record = |status: &str, signature: &str, properties: Value| {
        let raw = json!({"resourceId": scope.to_uppercase(), "operationName": action.to_uppercase(),
            "category": "Administrative", "resultType": status, "resultSignature": signature,
            "durationMs": "0", "callerIpAddress": ATTACKER, "correlationId": uuid(21, 0xc, at),
            "identity": {"authorization": {"scope": scope, "action": action}, "claims": claims},
            "level": "Information", "properties": properties, "tenantId": TENANT});
        Event::new(ACTIVITY, raw)
    };
    let common = json!({"eventCategory": "Administrative", "entity": scope, "message": action});
    let (mut asked, mut answered) = (common.clone(), common);
    if let Some(body) = request {
        asked["requestbody"] = json!(body.to_string());
    }
    answered["statusCode"] = json!("OK");
    [record("Start", "Started.", asked).at(at), record("Success", "Succeeded.OK", answered).at(at + 1)]
}
