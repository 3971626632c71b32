//! The canonical columns, by fact: hand-written records in both forms, each with what it must give
//! and, where it nearly says something else, what it must not.

use super::*;
use crate::sources::recognise as owner;
use crate::sources::testing;

fn columns(event: &str) -> Vec<(&'static str, String)> {
    testing::columns(&SOURCE, event)
}

fn column(event: &str, name: &str) -> String {
    testing::column(&SOURCE, event, name)
}

/// A field by the name that a rule writes.
fn field(event: &str, name: &str) -> Option<String> {
    Some(testing::field(&SOURCE, event, name)).filter(|text| text != "-")
}

const OBJECT: &str = r#"{"time":"2026-11-18T09:12:04.1850000Z","resourceId":"/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/AI",
    "category":"RequestResponse","operationName":"ChatCompletions_Create","resultSignature":"200","durationMs":640,
    "callerIpAddress":"203.0.113.***","correlationId":"c-1","event":"ShoeboxCallResult","location":"swedencentral","Tenant":"swedencentral",
    "properties":{"apiName":"Azure OpenAI API version 2024-10-21","requestTime":639146000000000001,"requestLength":412,
    "responseTime":639146000000000009,"responseLength":1893,"objectId":"o-1","streamType":"Streaming",
    "modelDeploymentName":"chat-prod","modelName":"gpt-4o","modelVersion":"1"}}"#;

const STRING: &str = r#"{"time":"2026-11-18T09:12:04.1850000Z","resourceId":"/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/AI",
    "category":"RequestResponse","operationName":"ChatCompletions_Create","resultSignature":200,"durationMs":640,
    "callerIPAddress":"203.0.113.***","correlationId":"c-1","location":"swedencentral",
    "properties":"{\"apiName\":\"Azure OpenAI API version 2024-10-21\",\"requestLength\":\"412\",\"responseLength\":1893,\"objectId\":\"o-1\",\"streamType\":\"Streaming\",\"modelDeploymentName\":\"chat-prod\",\"modelName\":\"gpt-4o\"}"}"#;

const ROW: &str = r#"{"TenantId":"w-1","TimeGenerated":"2026-11-18T09:12:04.185Z","ResourceId":"/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/AI",
    "Category":"RequestResponse","ResourceProvider":"MICROSOFT.COGNITIVESERVICES","ResourceType":"ACCOUNTS","OperationName":"ChatCompletions_Create",
    "ResultSignature":"200","DurationMs":"640","CallerIPAddress":"203.0.113.***","CorrelationId":"c-1","event_s":"ShoeboxCallResult","location_s":"swedencentral",
    "properties_s":"{\"apiName\":\"Azure OpenAI API version 2024-10-21\",\"requestLength\":412,\"responseLength\":1893,\"objectId\":\"o-1\",\"streamType\":\"Streaming\",\"modelDeploymentName\":\"chat-prod\",\"modelName\":\"gpt-4o\"}",
    "Type":"AzureDiagnostics","_ResourceId":"/subscriptions/s-1/resourcegroups/g/providers/microsoft.cognitiveservices/accounts/ai"}"#;

/// A `RequestResponse` record with a status and properties.
fn call(name: &str, status: &str, properties: &str) -> String {
    format!(
        r#"{{"category":"RequestResponse","resourceId":"/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/A/",
            "operationName":"{name}","resultSignature":"{status}","properties":{properties}}}"#
    )
}

#[test]
fn a_record_gives_the_same_columns_in_every_form() {
    let expected = [
        ("provider", r#""azure""#),
        ("principal", r#""o-1""#),
        ("credential_id", r#""o-1""#),
        ("src_ip", r#""203.0.113.***""#),
        ("src_ip_kind", r#""masked""#),
        ("src_net", r#""203.0.113.0/24""#),
        ("region", r#""swedencentral""#),
        ("account", r#""s-1""#),
        ("service", r#""azure_openai""#),
        ("action", r#""ChatCompletions_Create""#),
        ("action_kind", r#""ai_invoke""#),
        ("outcome", r#""success""#),
        (
            "target",
            r#""/subscriptions/s-1/resourcegroups/g/providers/microsoft.cognitiveservices/accounts/ai""#,
        ),
        ("target_type", r#""ai_account""#),
        ("correlation_uid", r#""c-1""#),
        ("bytes_out", "1893.0"),
        ("bytes_in", "412.0"),
        ("model", r#""chat-prod""#),
    ];
    for event in [OBJECT, STRING, ROW] {
        let found: Vec<_> = columns(event).into_iter().filter(|(name, _)| *name != "event_uid").collect();
        let found: Vec<_> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(found, expected, "{event}");
        assert_eq!(owner(event).map(|source| source.name), Some("azure.openai"), "{event}");
    }
}

#[test]
fn rules_find_their_fields_in_every_form() {
    for name in [
        "properties.responseLength",
        "responseLength",
        "properties_s.responseLength",
        "Properties.ResponseLength",
    ] {
        for event in [OBJECT, STRING, ROW] {
            assert_eq!(field(event, name).as_deref(), Some("1893"), "{name} of {event}");
        }
    }
    for (name, expected) in [
        ("category", r#""RequestResponse""#),
        ("operationName", r#""ChatCompletions_Create""#),
        ("OperationName", r#""ChatCompletions_Create""#),
        ("properties.modelDeploymentName", r#""chat-prod""#),
        ("properties.objectId", r#""o-1""#),
        ("location", r#""swedencentral""#),
        ("callerIpAddress", r#""203.0.113.***""#),
        ("streamType", r#""Streaming""#),
    ] {
        for event in [OBJECT, STRING, ROW] {
            assert_eq!(field(event, name).as_deref(), Some(expected), "{name} of {event}");
        }
    }
    let flat = r#"{"category":"Audit","OperationName":"ListKey","objectId_g":"o-2"}"#;
    assert_eq!(column(flat, "principal"), r#""o-2""#);
}

#[test]
fn a_call_by_key_is_the_resources_own() {
    let key = r#""apikey@/subscriptions/s/providers/microsoft.cognitiveservices/accounts/a""#;
    let who = |event: &str| {
        ["principal", "principal_type", "credential_id", "credential_kind"].map(|name| column(event, name))
    };
    let by_key = [key, r#""api_key""#, key, r#""bearer_api_key""#];
    let nobody = ["-", "-", "-", "-"];
    for (status, properties, expected) in [
        ("200", r#"{"objectId":""}"#, by_key),
        ("429", r#""{\"objectId\":\"\"}""#, by_key),
        ("200", r#"{"objectId":"00000000-0000-0000-0000-000000000000"}"#, by_key),
        ("403", r#"{"objectId":"o-1"}"#, [r#""o-1""#, "-", r#""o-1""#, "-"]),
        // refused: the key was no key
        ("401", r#"{"objectId":""}"#, nobody),
        ("200", r#""{\"objectId\":\"""#, nobody),
        ("200", "null", nobody),
        ("200", r#""""#, nobody),
    ] {
        assert_eq!(
            who(&call("ChatCompletions_Create", status, properties)),
            expected,
            "{status} {properties}"
        );
    }
    let audit = r#"{"category":"Audit","resourceId":"/subscriptions/s","operationName":"ListKey","properties":{"objectId":""}}"#;
    assert_eq!(who(audit), nobody);
    let usage = r#"{"category":"AzureOpenAIRequestUsage","resourceId":"/Subscriptions/S","properties":{"callerObjectId":""}}"#;
    assert_eq!(who(usage)[0], r#""apikey@/subscriptions/s""#);
    assert_eq!(column(&usage.replace(r#""""#, r#""o-3""#), "principal"), r#""o-3""#);
}

#[test]
fn every_call_has_a_kind() {
    let kind = |category: &str, name: &str, properties: &str| {
        let event =
            format!(r#"{{"category":"{category}","operationName":"{name}","properties":{properties}}}"#);
        column(&event, "action_kind").trim_matches('"').to_owned()
    };
    for (category, name, properties, expected) in [
        ("RequestResponse", "ChatCompletions_Create", "{}", "ai_invoke"),
        ("requestresponse", "ExtensionsChatCompletions_Create", "{}", "ai_invoke"),
        ("RequestResponse", "Completions_Create", "{}", "ai_invoke"),
        ("RequestResponse", "Embeddings_Create", "{}", "ai_invoke"),
        ("RequestResponse", "Responses_Create", "{}", "ai_invoke"),
        ("RequestResponse", "ImageGenerations_Create", "{}", "ai_invoke"),
        ("RequestResponse", "Create_Response", "{}", "ai_invoke"),
        ("RequestResponse", "Create_Run", r#"{"modelDeploymentName":"chat-prod"}"#, "ai_invoke"),
        ("RequestResponse", "Create_Thread", r#"{"modelDeploymentName":""}"#, "write"),
        ("RequestResponse", "Get_Response", "{}", "read"),
        ("RequestResponse", "Delete_Response", "{}", "write"),
        ("RequestResponse", "Models_List", "{}", "read"),
        ("RequestResponse", "Upload_File", "{}", "write"),
        ("Audit", "ListKey", "{}", "read"),
        ("Audit", "RegenerateKey", "{}", "write"),
        ("Audit", "ResponseFilter_Update", "{}", "write"),
        ("AzureOpenAIRequestUsage", "ChatCompletions_Create", "{}", "ai_usage"),
        ("AzureOpenAIRequestUsage", "", "{}", "ai_usage"),
        ("Trace", "Anything", "{}", "-"),
        ("RequestResponse", "", "{}", "-"),
    ] {
        assert_eq!(kind(category, name, properties), expected, "{category} {name} {properties}");
    }
}

#[test]
fn an_outcome_is_that_of_the_status() {
    for (status, outcome, error) in [
        ("200", "success", "-"),
        ("302", "success", "-"),
        ("400", "failure", "400"),
        ("429", "failure", "429"),
        ("500", "failure", "500"),
        ("0", "-", "-"),
        ("", "-", "-"),
        ("Success", "success", "-"),
        ("Failed", "failure", "-"),
        ("soon", "-", "-"),
    ] {
        let event = call("Completions_Create", status, "{}");
        assert_eq!(column(&event, "outcome").trim_matches('"'), outcome, "{status}");
        assert_eq!(column(&event, "error_code").trim_matches('"'), error, "{status}");
    }
    assert_eq!(column(r#"{"category":"Audit","operationName":"ListKey"}"#, "outcome"), "-");
}

#[test]
fn tokens_are_lists_of_one_or_numbers() {
    let tokens = |properties: &str| {
        let event = format!(r#"{{"category":"AzureOpenAIRequestUsage","properties":{properties}}}"#);
        ["tokens_in", "tokens_out", "tokens_total"].map(|name| column(&event, name))
    };
    for (properties, expected) in [
        (r#"{"promptTokens":[71],"generatedTokens":[4096],"cachedTokens":[50]}"#, ["71", "4096", "4167"]),
        (r#""{\"promptTokens\":[71],\"generatedTokens\":[0]}""#, ["71", "0", "71"]),
        (r#"{"promptTokens":"71","completionTokens":9,"totalTokens":99}"#, ["71", "9", "99"]),
        (r#"{"promptTokens":[],"generatedTokens":[null]}"#, ["-", "-", "-"]),
        (r#"{"promptTokens":{},"generatedTokens":[-1]}"#, ["-", "-", "-"]),
        (r#"{}"#, ["-", "-", "-"]),
    ] {
        assert_eq!(tokens(properties), expected, "{properties}");
    }
}

#[test]
fn addresses_and_ids_may_be_anything() {
    for (address, ip, kind, net) in [
        ("203.0.113.7:443", "203.0.113.7", "public", "203.0.113.0/24"),
        ("10.1.2.***", "10.1.2.***", "masked", "10.1.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1:2::3", "public", "2001:db8:1::/48"),
        ("300.1.2.3", "300.1.2.3", "invalid", "-"),
    ] {
        let event = format!(r#"{{"callerIPAddress":"{address}"}}"#);
        let found = ["src_ip", "src_ip_kind", "src_net"]
            .map(|name| column(&event, name).trim_matches('"').to_owned());
        assert_eq!(found, [ip, kind, net], "{address}");
    }
    for id in ["\"\"", "null", "7", "[]", "\"/\"", "\"/subscriptions/\"", "\"subscriptions\""] {
        assert_eq!(column(&format!(r#"{{"resourceId":{id}}}"#), "account"), "-", "{id}");
    }
    assert_eq!(columns("not json"), []);
}

#[test]
fn neighbours_are_not_taken() {
    let of = |category: &str, id: &str| {
        owner(&format!(r#"{{"category":"{category}","resourceId":"{id}","operationName":"x"}}"#))
            .map(|source| source.name)
            .filter(|name| *name == "azure.openai")
    };
    let account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a";
    for category in CATEGORIES {
        assert_eq!(of(category, account), Some("azure.openai"), "{category}");
        assert_eq!(
            of(category, "/subscriptions/s/providers/Microsoft.KeyVault/vaults/v"),
            None,
            "{category}"
        );
        assert_eq!(of(category, "/tenants/t/providers/Microsoft.aadiam"), None, "{category}");
    }
    // the activity log of the same account, a record of another service, an id in a text
    assert_eq!(of("Administrative", account), None);
    assert_eq!(of("AuditEvent", "/subscriptions/s/providers/Microsoft.KeyVault/vaults/v"), None);
    assert_eq!(of("GatewayLogs", account), None);
    assert_eq!(
        owner(r#"{"category":"Audit","message":"providers/microsoft.cognitiveservices/"}"#).map(|s| s.name),
        None
    );
    assert_eq!(
        owner(r#"{"Category":"Trace","ResourceProvider":"MICROSOFT.COGNITIVESERVICES"}"#)
            .map(|source| source.name),
        Some("azure.openai")
    );
}
