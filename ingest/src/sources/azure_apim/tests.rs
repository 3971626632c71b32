//! The canonical columns, by fact: hand-written records in every form, each with what it must give
//! and, where it nearly says something else, what it must not.

use super::*;
use crate::sources::recognise as owner;
use crate::sources::testing;

fn columns(event: &str) -> Vec<(&'static str, String)> {
    testing::columns(&SOURCE, event)
}

/// A column's text, without quotes; `-` is absent.
fn column(event: &str, name: &str) -> String {
    testing::column(&SOURCE, event, name).trim_matches('"').to_owned()
}

/// A field by the name that a rule writes.
fn field(event: &str, name: &str) -> Option<String> {
    Some(testing::field(&SOURCE, event, name)).filter(|text| text != "-")
}

const RESOURCE: &str = r#"{"time":"2026-11-18T09:20:01.4465902Z","resourceId":"/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/GW",
    "category":"GatewayLogs","operationName":"Microsoft.ApiManagement/GatewayLogs","correlationId":"c-1","callerIpAddress":"203.0.113.24",
    "isRequestSuccess":false,"durationMs":453,"location":"Sweden Central","resultType":"Failed","properties":{"apiId":"ai","method":"POST",
    "url":"https://gw.example.com/openai/deployments/chat-prod/chat/completions?api-version=1","responseCode":400,"requestSize":519,"responseSize":1360,
    "operationId":"ChatCompletions_Create","userId":"17","apimSubscriptionId":"team-a","requestHeaders":{"User-Agent":"app/1"},
    "requestBody":"{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}",
    "backendResponseBody":"{\"error\":{\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
    "lastError":{"source":"forward-request","section":"backend","reason":"BackendError","message":"no"}}}"#;

const ROW: &str = r#"{"TenantId":"w-1","TimeGenerated":"2026-11-18T09:20:01.4465902Z","OperationName":"Microsoft.ApiManagement/GatewayLogs","CorrelationId":"c-1",
    "Region":"Sweden Central","Category":"GatewayLogs","IsRequestSuccess":false,"TotalTime":453,"CallerIpAddress":"203.0.113.24","ApiId":"ai","Method":"POST",
    "Url":"https://gw.example.com/openai/deployments/chat-prod/chat/completions?api-version=1","ResponseCode":400,"RequestSize":519,"ResponseSize":1360,
    "OperationId":"ChatCompletions_Create","UserId":"17","ApimSubscriptionId":"team-a","RequestHeaders":"{\"User-Agent\":\"app/1\"}",
    "RequestBody":"{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}","ResponseBody":"",
    "BackendResponseBody":"{\"error\":{\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
    "LastErrorSource":"forward-request","LastErrorSection":"backend","LastErrorReason":"BackendError","LastErrorMessage":"no",
    "Type":"ApiManagementGatewayLogs","_ResourceId":"/subscriptions/s-1/resourcegroups/g/providers/microsoft.apimanagement/service/gw"}"#;

const DIAGNOSTICS: &str = r#"{"TimeGenerated":"2026-11-18T09:20:01.446Z","ResourceId":"/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/GW",
    "Category":"GatewayLogs","ResourceProvider":"MICROSOFT.APIMANAGEMENT","OperationName":"Microsoft.ApiManagement/GatewayLogs","CorrelationId":"c-1",
    "CallerIPAddress":"203.0.113.24","isRequestSuccess_b":false,"location_s":"Sweden Central","apiId_s":"ai","method_s":"POST",
    "url_s":"https://gw.example.com/openai/deployments/chat-prod/chat/completions?api-version=1","responseCode_d":400.0,"requestSize_d":519.0,"responseSize_d":"1360",
    "operationId_s":"ChatCompletions_Create","userId_s":"17","apimSubscriptionId_s":"team-a",
    "requestBody_s":"{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}",
    "backendResponseBody_s":"{\"error\":{\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
    "lastError_source_s":"forward-request","lastError_section_s":"backend","lastError_reason_s":"BackendError","lastError_message_s":"no","Type":"AzureDiagnostics"}"#;

/// A gateway record with these properties.
fn gateway(properties: &str) -> String {
    format!(
        r#"{{"category":"GatewayLogs","operationName":"Microsoft.ApiManagement/GatewayLogs","properties":{{{properties}}}}}"#
    )
}

const ASK: &str =
    r#""method":"POST","url":"https://gw.example.com/openai/deployments/chat-prod/chat/completions""#;

#[test]
fn a_record_gives_the_same_columns_in_every_form() {
    let expected = [
        ("provider", "azure"),
        ("principal", "apim-subscription:team-a"),
        ("principal_type", "subscription"),
        ("credential_id", "apim-subscription:team-a"),
        ("credential_kind", "bearer_api_key"),
        ("src_ip", "203.0.113.24"),
        ("src_ip_kind", "public"),
        ("src_net", "203.0.113.0/24"),
        ("region", "Sweden Central"),
        ("account", "s-1"),
        ("service", "apim"),
        ("action", "ChatCompletions_Create"),
        ("action_kind", "ai_invoke"),
        ("outcome", "failure"),
        ("error_code", "BackendError"),
        ("error_message", "no"),
        ("target", "/subscriptions/s-1/resourcegroups/g/providers/microsoft.apimanagement/service/gw"),
        ("target_type", "gateway"),
        ("correlation_uid", "c-1"),
        ("bytes_out", "1360.0"),
        ("bytes_in", "519.0"),
        ("model", "chat-prod"),
        ("prompt_hash", "ea8f163db3868292"),
        ("prompt_prefix_hash", "ea8f163db3868292"),
        ("prompt_len", "5"),
        ("req_logprobs", "false"),
    ];
    for event in [RESOURCE, ROW, DIAGNOSTICS] {
        let found: Vec<_> = columns(event)
            .into_iter()
            .map(|(name, value)| (name, value.trim_matches('"').to_owned()))
            .collect();
        let found: Vec<_> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let found: Vec<_> =
            found.into_iter().filter(|(name, _)| !matches!(*name, "event_uid" | "user_agent")).collect();
        assert_eq!(found, expected, "{event}");
        assert_eq!(owner(event).map(|source| source.name), Some("azure.apim"), "{event}");
    }
    // headers of the oldest form are columns of their own
    assert_eq!(
        [RESOURCE, ROW, DIAGNOSTICS].map(|event| column(event, "user_agent")),
        ["app/1", "app/1", "-"]
    );
}

#[test]
fn rules_find_their_fields_in_every_form() {
    for (name, expected) in [
        ("properties.backendResponseBody", "ResponsibleAIPolicyViolation"),
        ("BackendResponseBody", "ResponsibleAIPolicyViolation"),
        ("backendResponseBody", "ResponsibleAIPolicyViolation"),
        ("properties.lastError.reason", "BackendError"),
        ("LastErrorReason", "BackendError"),
        ("properties.lastErrorReason", "BackendError"),
        ("LastErrorMessage", "no"),
        ("lastErrorSection", "backend"),
        ("properties.responseCode", "400"),
        ("ResponseCode", "400"),
        ("apimSubscriptionId", "team-a"),
        ("properties.apimSubscriptionId", "team-a"),
        ("url", "/deployments/chat-prod/"),
        ("Method", "POST"),
        ("category", "GatewayLogs"),
    ] {
        for event in [RESOURCE, ROW, DIAGNOSTICS] {
            let found = field(event, name).unwrap_or_default();
            assert!(found.contains(expected), "{name} of {event}: {found}");
        }
    }
    assert_eq!(field(ROW, "requestHeaders.User-Agent").as_deref(), Some("\"app/1\""));
    // bodies are texts, which rules match as such
    assert!(field(ROW, "RequestBody").is_some_and(|body| body.starts_with('"')));
}

#[test]
fn a_principal_is_a_subscription_and_else_a_user() {
    for (properties, principal, kind, credential) in [
        (
            r#""apimSubscriptionId":"a","userId":"1""#,
            "apim-subscription:a",
            "subscription",
            "apim-subscription:a",
        ),
        (r#""apimSubscriptionId":"","userId":"1""#, "apim-user:1", "user", "-"),
        (r#""apimSubscriptionId":null,"userId":1"#, "apim-user:1", "user", "-"),
        (r#""apimSubscriptionId":"","userId":"""#, "-", "-", "-"),
        ("", "-", "-", "-"),
    ] {
        let event = gateway(properties);
        assert_eq!(column(&event, "principal"), principal, "{properties}");
        assert_eq!(column(&event, "principal_type"), kind, "{properties}");
        assert_eq!(column(&event, "credential_id"), credential, "{properties}");
    }
}

#[test]
fn tokens_come_from_the_response_in_every_shape() {
    let tokens = |body: &str| {
        let event =
            gateway(&format!(r#"{ASK},"responseBody":"","backendResponseBody":{}"#, serde_json::json!(body)));
        ["tokens_in", "tokens_out", "tokens_total", "action_kind"].map(|name| column(&event, name))
    };
    let known = |counts: [&'static str; 3]| [counts[0], counts[1], counts[2], "ai_usage"];
    let unknown = ["-", "-", "-", "ai_invoke"];
    for (body, expected) in [
        (
            r#"{"usage":{"prompt_tokens":14,"completion_tokens":8,"total_tokens":22}}"#,
            known(["14", "8", "22"]),
        ),
        (r#"{"object":"list","usage":{"prompt_tokens":9,"total_tokens":9}}"#, known(["9", "-", "9"])),
        (r#"{"usage":{"input_tokens":3,"output_tokens":4}}"#, known(["3", "4", "7"])),
        (
            r#"{"usage":{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":10,"cache_creation_input_tokens":20}}"#,
            known(["3", "4", "37"]),
        ),
        (r#"{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}"#, known(["3", "4", "7"])),
        (
            "data: {\"choices\":[],\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\ndata: [DONE]\n\n",
            known(["1", "2", "3"]),
        ),
        (
            "event: response.completed\r\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":6,\"total_tokens\":11}}}\r\n\r\n",
            known(["5", "6", "11"]),
        ),
        (
            "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}\n\n",
            known(["5", "9", "14"]),
        ),
        // a stream that was cut, before its usage and within it
        ("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"cho", unknown),
        ("data: {\"usage\":{\"prompt_tokens\":1", unknown),
        (r#"{"choices":[{"message":{"content":"cut"#, unknown),
        (r#"{"usage":{"prompt_tokens":-1,"completion_tokens":"8"}}"#, unknown),
        (r#"{"usage":7}"#, unknown),
        ("", unknown),
        ("not json", unknown),
        ("[]", unknown),
    ] {
        assert_eq!(tokens(body), expected, "{body}");
    }
    let unfolded =
        gateway(&format!(r#"{ASK},"responseBody":{{"usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#));
    assert_eq!(column(&unfolded, "tokens_total"), "2");
}

#[test]
fn the_log_of_models_has_tokens_in_one_entry_and_messages_in_others() {
    let entry = |properties: &str| {
        format!(
            r#"{{"category":"GatewayLlmLogs","operationName":"Microsoft.ApiManagement/GatewayLlmLogs","properties":{{{properties}}}}}"#
        )
    };
    let head = entry(
        r#""sequenceNumber":0,"deploymentName":"chat-prod","modelName":"gpt-4o","promptTokens":18,"completionTokens":39,"totalTokens":57"#,
    );
    let names = ["action_kind", "model", "tokens_in", "tokens_out", "tokens_total", "prompt_hash"];
    assert_eq!(names.map(|name| column(&head, name)), ["ai_usage", "chat-prod", "18", "39", "57", "-"]);
    let row = r#"{"Type":"ApiManagementGatewayLlmLog","SequenceNumber":0,"DeploymentName":"","ModelName":"gpt-4o","PromptTokens":"18","CompletionTokens":0,"TotalTokens":null}"#;
    assert_eq!(names.map(|name| column(row, name)), ["ai_usage", "gpt-4o", "18", "0", "18", "-"]);
    let none = entry(r#""deploymentName":"chat-prod","promptTokens":0,"completionTokens":0,"totalTokens":0"#);
    assert_eq!(column(&none, "action_kind"), "ai_usage");
    for piece in [
        entry(r#""sequenceNumber":1,"deploymentName":"","promptTokens":0,"completionTokens":0,"totalTokens":0,"requestMessages":[{"role":"user","content":"Hello"}]"#),
        entry(r#""sequenceNumber":1,"requestMessages":"[{\"role\":\"user\",\"content\":\"hello\"}]""#),
        r#"{"Type":"ApiManagementGatewayLlmLog","RequestMessages":"[{\"role\":\"user\",\"content\":\"hello\"}]","PromptTokens":null}"#.to_owned(),
    ] {
        assert_eq!(column(&piece, "action_kind"), "-", "{piece}");
        assert_eq!(column(&piece, "prompt_hash"), "ea8f163db3868292", "{piece}");
        assert_eq!(column(&piece, "req_logprobs"), "-", "{piece}");
        assert_eq!(column(&piece, "outcome"), "-", "{piece}");
        assert_eq!(column(&piece, "tokens_out"), "-", "{piece}");
    }
}

#[test]
fn every_request_has_a_kind() {
    for (method, path, expected) in [
        ("POST", "/openai/deployments/d/embeddings", "ai_invoke"),
        ("post", "/openai/v1/responses", "ai_invoke"),
        ("GET", "/openai/v1/responses", "read"),
        ("GET", "/openai/models", "read"),
        ("POST", "/openai/threads/t/messages", "write"),
        ("POST", "/orders", "write"),
        ("DELETE", "/orders/7", "write"),
        ("OPTIONS", "/orders", "read"),
    ] {
        let event = gateway(&format!(r#""method":"{method}","url":"https://gw.example.com{path}""#));
        assert_eq!(column(&event, "action_kind"), expected, "{method} {path}");
    }
    let hidden = gateway(
        r#""method":"POST","url":"https://gw.example.com/ask","backendUrl":"https://ai.openai.azure.com/openai/deployments/d/chat/completions""#,
    );
    assert_eq!((column(&hidden, "action_kind"), column(&hidden, "model")), ("ai_invoke".into(), "d".into()));
    assert_eq!(column(&gateway(""), "action_kind"), "-");
}

#[test]
fn a_model_is_named_by_address_or_body() {
    for (properties, expected) in [
        (
            r#""url":"https://gw.example.com/openai/v1/responses","requestBody":"{\"model\":\"gpt-4o\"}""#,
            "gpt-4o",
        ),
        (
            r#""url":"https://gw.example.com/models/chat/completions","requestBody":"","responseBody":"{\"model\":\"phi-4\"}""#,
            "phi-4",
        ),
        (r#""url":"https://gw.example.com/v1/embeddings","responseBody":"data: {\"model\":\"x\"}""#, "x"),
        (r#""url":"https://gw.example.com/openai/v1/responses","requestBody":"{\"model\":7}""#, "-"),
        // the model of a car
        (r#""url":"https://gw.example.com/cars","requestBody":"{\"model\":\"T\"}""#, "-"),
        (r#""requestBody":"{\"model\":\"T\"}""#, "-"),
    ] {
        assert_eq!(column(&gateway(properties), "model"), expected, "{properties}");
    }
}

#[test]
fn an_outcome_is_that_of_the_status() {
    for (event, outcome, error) in [
        (r#"{"properties":{"responseCode":200}}"#, "success", "-"),
        (r#"{"properties":{"responseCode":"404"}}"#, "failure", "404"),
        (r#"{"properties":{"responseCode":200,"lastError":{"reason":"x"}}}"#, "success", "-"),
        (
            r#"{"properties":{"responseCode":429,"lastError":{"reason":"RateLimitExceeded"}}}"#,
            "failure",
            "RateLimitExceeded",
        ),
        // the client went away
        (
            r#"{"isRequestSuccess":false,"properties":{"responseCode":0,"lastError":{"reason":"ClientConnectionFailure"}}}"#,
            "failure",
            "ClientConnectionFailure",
        ),
        (r#"{"isRequestSuccess":"True"}"#, "success", "-"),
        (r#"{"isRequestSuccess":false}"#, "failure", "-"),
        ("{}", "-", "-"),
    ] {
        assert_eq!(column(event, "outcome"), outcome, "{event}");
        assert_eq!(column(event, "error_code"), error, "{event}");
    }
}

#[test]
fn a_body_that_was_cut_has_no_prompt() {
    for (body, expected) in [
        (r#""{\"messages\":[{\"role\":\"system\",\"content\":\"You answer""#, "-"),
        (r#""""#, "-"),
        ("null", "-"),
        ("7", "-"),
        (r#""{\"messages\":[{\"role\":\"user\",\"content\":\"HELLO\"}]}""#, "ea8f163db3868292"),
    ] {
        let event = gateway(&format!(r#"{ASK},"requestBody":{body}"#));
        assert_eq!(column(&event, "prompt_hash"), expected, "{body}");
    }
    let second = gateway(&format!(
        r#"{ASK},"requestBody":"","backendRequestBody":"{{\"prompt\":\"hello\",\"logprobs\":2}}""#
    ));
    assert_eq!(column(&second, "prompt_hash"), "ea8f163db3868292");
    assert_eq!(column(&second, "req_logprobs"), "true");
}

#[test]
fn neighbours_are_not_taken() {
    let of = |event: &str| owner(event).map(|source| source.name).filter(|name| *name == "azure.apim");
    let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/gw";
    for (event, expected) in [
        (format!(r#"{{"category":"GatewayLogs","resourceId":"{id}"}}"#), Some("azure.apim")),
        (format!(r#"{{"category":"GatewayLlmLogs","resourceId":"{}"}}"#, id.to_uppercase()), Some("azure.apim")),
        (r#"{"Category":"GatewayLogs","OperationName":"microsoft.apimanagement/gatewaylogs"}"#.into(), Some("azure.apim")),
        (r#"{"Type":"ApiManagementGatewayLogs"}"#.into(), Some("azure.apim")),
        (r#"{"category":"GatewayLogs"}"#.into(), None),
        (format!(r#"{{"category":"DeveloperPortalAuditLogs","resourceId":"{id}"}}"#), None),
        (format!(r#"{{"category":"Administrative","resourceId":"{id}","operationName":"Microsoft.ApiManagement/service/write"}}"#), None),
        (r#"{"category":"GatewayLogs","resourceId":"/subscriptions/s/providers/Microsoft.Network/x"}"#.into(), None),
        (r#"{"category":"RequestResponse","resourceId":"/subscriptions/s/providers/Microsoft.ApiManagement/x"}"#.into(), None),
    ] {
        assert_eq!(of(&event), expected, "{event}");
    }
    assert_eq!(columns("not json"), []);
}
