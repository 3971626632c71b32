//! Azure: vaults and storage.
//!
//! In: a moment. Out: requests to a vault and to a storage account, as diagnostic settings deliver them: the
//! cluster's driver that reads its secrets, storage that unwraps its key, applications that read and write
//! blobs, caches that fetch images with a signature.

use serde_json::{Value, json};

use super::azure::group;
use super::calendar::{DAY, HOUR, Millis, Rhythm, is_workday, iso_with};
use super::company::{self, AZURE_SHOP, AZURE_VAULT_SYNC, NAT_AZURE, PEOPLE, SUBSCRIPTION, TENANT};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "vaults", share: 2_500, rhythm: Rhythm::Always(36), tell: vault },
    Habit { name: "blobs", share: 4_800, rhythm: Rhythm::Always(96), tell: blobs },
];

/// Who reads a vault.
pub struct Reader {
    claim: Value,
    ip: String,
    agent: String,
}

impl Reader {
    pub fn program(object_id: &str, ip: &str, agent: &str) -> Self {
        let claim = json!({
            "oid": object_id,
            "appid": ids::guid_of(&format!("application {object_id}")),
            "idtyp": "app",
        });
        Self { claim, ip: ip.to_owned(), agent: agent.to_owned() }
    }

    fn person(who: usize, at: Millis) -> Self {
        let (person, network) = (&PEOPLE[who], company::whereabouts(who, at));
        let claim = json!({
            "oid": person.id(),
            "appid": "3686488a-04fc-4d8a-b967-61f98ec41efe",
            "scp": "user_impersonation",
            "upn": person.upn(),
            "ipaddr": network.ip,
            "unique_name": person.upn(),
            "amr": "[\"pwd\",\"mfa\"]",
        });
        Self { claim, ip: network.ip, agent: company::browser(who).to_owned() }
    }
}

/// A request to a vault.
pub struct VaultCall {
    operation: &'static str,
    path: String,
    status: u32,
}

impl VaultCall {
    pub fn of(operation: &'static str, path: &str) -> Self {
        Self { operation, path: path.to_owned(), status: 200 }
    }
}

pub fn vault_call(scene: &mut Scene<'_>, by: &Reader, of: VaultCall) {
    let host = "https://kv-example-prod.vault.azure.net";
    let version = ids::guid_of(&of.path).replace('-', "");
    let mut properties = json!({
        "id": format!("{host}/{}/{version}", of.path),
        "requestUri": format!("{host}/{}/?api-version=7.6", of.path),
        "isRbacAuthorized": true,
        "appliedAssignmentId": ids::guid_of(&by.agent),
        "clientInfo": by.agent,
        "httpStatusCode": of.status,
    });
    let identity = if of.operation == "Authentication" { json!({}) } else { json!({"claim": by.claim}) };
    if of.operation == "Authentication" {
        properties = json!({
            "requestUri": format!("{host}/{}/?api-version=7.6", of.path),
            "clientInfo": by.agent,
            "httpStatusCode": 401,
        });
    }
    let signature = match of.status {
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        _ => "Forbidden",
    };
    let record = json!({
        "time": iso_with(scene.at, 7, scene.rng.draw()),
        "category": "AuditEvent",
        "operationName": of.operation,
        "resultType": "Success",
        "correlationId": ids::guid(&mut scene.rng),
        "callerIpAddress": by.ip,
        "identity": identity,
        "properties": properties,
        "resourceId": format!("/SUBSCRIPTIONS/{}/RESOURCEGROUPS/RG-PLATFORM/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/KV-EXAMPLE-PROD", SUBSCRIPTION.to_uppercase()),
        "operationVersion": "7.6",
        "resultSignature": signature,
        "durationMs": (8 + scene.rng.below(40)).to_string(),
    });
    scene.put(&record);
}

const SYNCED: [&str; 12] = [
    "sql-shop",
    "redis-shop",
    "sendmail",
    "search-key",
    "sas-media",
    "wiki-client",
    "tracking-api",
    "returns-db",
    "payment-sandbox",
    "smtp-relay",
    "sentry-dsn",
    "cdn-token",
];

fn office_hours(at: Millis) -> bool {
    is_workday(at) && (7..17).contains(&(at.rem_euclid(DAY) / HOUR))
}

/// What vaults are asked for: the cluster's driver for its secrets, storage for its key, people now and then.
fn vault(scene: &mut Scene<'_>) {
    match scene.rng.below(10) {
        0 => {
            let agent = "secrets-store-csi-driver-provider-azure/1.7.2";
            let driver = Reader::program(AZURE_VAULT_SYNC, NAT_AZURE, agent);
            let challenge = VaultCall::of("Authentication", "secrets/sql-shop");
            vault_call(scene, &driver, VaultCall { status: 401, ..challenge });
            read_secrets(scene, &driver, &SYNCED);
        }
        1 if office_hours(scene.at) => by_person(scene),
        2 => {
            let agent = "azsdk-net-Security.KeyVault.Secrets/4.8.0 (.NET 10.0.2; Linux)";
            read_secrets(scene, &Reader::program(AZURE_SHOP, NAT_AZURE, agent), &SYNCED[..3]);
        }
        _ => {
            let account = "d7f3e2c9-1a84-4b65-9c0e-82f6b4d1a573";
            let storage = Reader::program(account, "10.60.4.7", "Microsoft-Azure-Storage/1.0");
            for operation in ["KeyUnwrap", "KeyGet"] {
                vault_call(scene, &storage, VaultCall::of(operation, "keys/storage-key"));
                scene.pass(50, 900);
            }
        }
    }
}

fn read_secrets(scene: &mut Scene<'_>, by: &Reader, secrets: &[&str]) {
    for secret in secrets {
        scene.pass(40, 300);
        vault_call(scene, by, VaultCall::of("SecretGet", &format!("secrets/{secret}")));
    }
}

/// Somebody of the platform's people or the backend's looks a secret up in the portal.
fn by_person(scene: &mut Scene<'_>) {
    let person = Reader::person(scene.rng.below(10) as usize, scene.at);
    vault_call(scene, &person, VaultCall::of("SecretList", "secrets"));
    scene.pass(2_000, 20_000);
    let secret = SYNCED[scene.rng.below(12) as usize];
    let status = if scene.rng.chance(60) { 403 } else { 200 };
    vault_call(
        scene,
        &person,
        VaultCall { status, ..VaultCall::of("SecretGet", &format!("secrets/{secret}")) },
    );
}

/// A request to the storage account.
struct Blob<'a> {
    operation: &'static str,
    key: String,
    identity: Value,
    query: &'a str,
    ip: String,
    agent: &'static str,
    sent: u64,
    received: u64,
    status: (u32, &'static str),
}

const SIGNATURE: &str = "?sv=2025-11-05&ss=b&srt=o&sp=r&se=2026-12-31T23%3A00%3A00Z&spr=https&sig=ZXhhbXBsZSBvZiBhIHNpZ25hdHVyZQ%3D%3D";

/// A program that has a token.
fn oauth(object_id: &str, action: &str) -> Value {
    json!({
        "type": "OAuth",
        "tokenHash": ids::hex(&mut ids::of(object_id), 64).to_uppercase(),
        "authorization": [{
            "action": format!("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{action}"),
            "roleAssignmentId": ids::guid_of(action),
            "roleDefinitionId": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
            "principals": [{"id": object_id, "type": "ServicePrincipal"}],
            "denyAssignmentId": "",
        }],
        "requester": {
            "appId": ids::guid_of(&format!("application {object_id}")),
            "audience": "https://storage.azure.com/",
            "objectId": object_id,
            "tenantId": TENANT,
            "tokenIssuer": format!("https://sts.windows.net/{TENANT}/"),
        },
    })
}

/// Applications that read and write, caches that fetch images with a signature, and the nightly copy.
fn blobs(scene: &mut Scene<'_>) {
    let night = !(5..22).contains(&(scene.at.rem_euclid(DAY) / HOUR));
    let many = if night { 1 } else { scene.rng.between(1, 4) };
    for _ in 0..many {
        let blob = match scene.rng.below(5) {
            0 | 1 => cached(scene),
            2 => written(scene),
            _ => fetched(scene),
        };
        store(scene, blob);
        scene.pass(2_000, 150_000);
    }
}

fn cached(scene: &mut Scene<'_>) -> Blob<'static> {
    let hash = "key1(6C05D9E2B7314FA8905D1C6E7B28F3A94D60E1C5B8A7F2930E4D6B1C8F5A7E32),SasSignature(A91F4C7E02D85B63F19E0A7C4B5D28E6930F1C7A5E4B8D206F3C91A7E5B04D82)";
    Blob {
        operation: "GetBlob",
        key: format!("media/products/{}/large.webp", ids::digits(&mut scene.rng, 6)),
        identity: json!({"type": "SAS", "tokenHash": hash}),
        query: SIGNATURE,
        ip: format!("198.19.{}.{}", 130 + scene.rng.below(3), 10 + scene.rng.below(40)),
        agent: "Mozilla/5.0 (compatible; EdgeCache/2.4; +https://cdn.example.com/bot)",
        sent: 300_000 + u64::from(scene.rng.below(2_500_000)),
        received: 0,
        status: (200, "SASSuccess"),
    }
}

fn written(scene: &mut Scene<'_>) -> Blob<'static> {
    Blob {
        operation: "PutBlob",
        key: format!("uploads/{}/{}.jpg", super::calendar::date_path(scene.at), ids::guid(&mut scene.rng)),
        identity: oauth(AZURE_SHOP, "write"),
        query: "",
        ip: NAT_AZURE.to_owned(),
        agent: "azsdk-net-Storage.Blobs/12.27.0 (.NET 10.0.2; Linux)",
        sent: 0,
        received: 200_000 + u64::from(scene.rng.below(4_000_000)),
        status: (201, "Success"),
    }
}

fn fetched(scene: &mut Scene<'_>) -> Blob<'static> {
    let missing = scene.rng.chance(6);
    Blob {
        operation: "GetBlob",
        key: format!("catalogue/pages/{}.json", scene.rng.below(900)),
        identity: oauth(AZURE_SHOP, "read"),
        query: "",
        ip: NAT_AZURE.to_owned(),
        agent: "azsdk-net-Storage.Blobs/12.27.0 (.NET 10.0.2; Linux)",
        sent: if missing { 215 } else { 8_000 + u64::from(scene.rng.below(60_000)) },
        received: 0,
        status: if missing { (404, "BlobNotFound") } else { (200, "Success") },
    }
}

fn store(scene: &mut Scene<'_>, of: Blob<'_>) {
    let account = "stexampledata";
    let reads = of.operation.starts_with("Get");
    let took = 4 + scene.rng.below(60);
    let record = json!({
        "time": iso_with(scene.at, 7, scene.rng.draw()),
        "resourceId": format!("{}/providers/Microsoft.Storage/storageAccounts/{account}/blobServices/default", group("rg-platform")),
        "category": if reads { "StorageRead" } else { "StorageWrite" },
        "operationName": of.operation,
        "operationVersion": "2025-11-05",
        "schemaVersion": "1.0",
        "statusCode": of.status.0,
        "statusText": of.status.1,
        "durationMs": took,
        "callerIpAddress": format!("{}:{}", of.ip, 1_024 + scene.rng.below(60_000)),
        "correlationId": ids::guid(&mut scene.rng),
        "identity": of.identity,
        "location": "West Europe",
        "properties": {
            "accountName": account,
            "userAgentHeader": of.agent,
            "clientRequestId": ids::guid(&mut scene.rng),
            "serviceType": "blob",
            "objectKey": format!("/{account}/{}", of.key),
            "metricResponseType": if of.status.0 < 400 { "Success" } else { "ClientOtherError" },
            "serverLatencyMs": took / 2,
            "requestHeaderSize": 600,
            "requestBodySize": of.received,
            "responseHeaderSize": 380,
            "responseBodySize": of.sent,
            "tlsVersion": "TLS 1.3",
        },
        "uri": format!("https://{account}.blob.core.windows.net:443/{}{}", of.key, of.query),
        "protocol": "HTTPS",
        "resourceType": "Microsoft.Storage/storageAccounts/blobServices",
    });
    scene.put(&record);
}
