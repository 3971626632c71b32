//! Azure: deployments, administration, what the platform does by itself, vaults and storage.
//!
//! In: a moment. Out: records as diagnostic settings deliver them. An operation of the activity log leaves
//! a record of its start and one of its end, under one correlation id.

use serde_json::{Value, json};

use super::calendar::{DAY, HOUR, Millis, Rhythm, iso_with};
use super::company::{
    self, ADMINS, AI_SUBSCRIPTION, AZURE_BACKUP, AZURE_DEPLOYER, AZURE_SHOP, AZURE_TERRAFORM,
    AZURE_VAULT_SYNC, ENGINEERS, NAT_AZURE, PEOPLE, SUBSCRIPTION, TENANT,
};
use super::{Habit, Scene, delivery, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "azure deployments", share: 1_500, rhythm: Rhythm::Work(3), tell: deployment },
    Habit { name: "azure platform", share: 1_200, rhythm: Rhythm::Always(24), tell: platform },
    Habit { name: "azure administration", share: 260, rhythm: Rhythm::Work(2), tell: administration },
    Habit { name: "azure keys", share: 24, rhythm: Rhythm::Weekly(1, 8 * 60), tell: keys },
    Habit { name: "vaults", share: 2_500, rhythm: Rhythm::Always(36), tell: vault },
    Habit { name: "blobs", share: 4_800, rhythm: Rhythm::Always(96), tell: blobs },
];

/// Who asks Resource Manager.
struct Caller {
    claims: Value,
    object_id: String,
    kind: &'static str,
    ip: String,
    role: (&'static str, &'static str),
}

const CONTRIBUTOR: (&str, &str) = ("Contributor", "b24988ac618042a0ab8820f7382dd24c");
const OWNER: (&str, &str) = ("Owner", "8e3af657a8ff443ca75c2fe8c4bcb635");

const LONG: &str = "http://schemas.microsoft.com/identity/claims";

/// Claims that every token has.
fn token(scene: &mut Scene<'_>, since: Millis) -> Value {
    let issued = since / 1_000;
    json!({
        "aud": "https://management.core.windows.net/",
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": issued.to_string(),
        "nbf": issued.to_string(),
        "exp": (issued + 4_500).to_string(),
        "uti": ids::small(&mut scene.rng, 22),
        "ver": "1.0",
        format!("{LONG}/tenantid"): TENANT,
    })
}

impl Caller {
    fn program(scene: &mut Scene<'_>, object_id: &str, ip: &str) -> Self {
        let mut claims = token(scene, scene.at);
        claims["appid"] = json!(ids::guid_of(&format!("application {object_id}")));
        claims["appidacr"] = json!("2");
        claims["idtyp"] = json!("app");
        claims[format!("{LONG}/objectidentifier")] = json!(object_id);
        let role = if object_id == AZURE_TERRAFORM { OWNER } else { CONTRIBUTOR };
        Self { claims, object_id: object_id.to_owned(), kind: "ServicePrincipal", ip: ip.to_owned(), role }
    }

    fn person(scene: &mut Scene<'_>, who: usize) -> Self {
        let (person, network) = (&PEOPLE[who], company::whereabouts(who, scene.at));
        let mut claims = token(scene, scene.at - 1_200_000);
        let upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
        claims["http://schemas.microsoft.com/claims/authnclassreference"] = json!("1");
        claims["http://schemas.microsoft.com/claims/authnmethodsreferences"] = json!("pwd,mfa");
        claims["appid"] = json!("c44b4083-3bb0-49c1-b47d-974e53cbdf3c");
        claims["appidacr"] = json!("2");
        claims["ipaddr"] = json!(network.ip);
        claims["name"] = json!(person.name);
        claims[format!("{LONG}/objectidentifier")] = json!(person.id());
        claims[format!("{LONG}/scope")] = json!("user_impersonation");
        claims[format!("{upn}/name")] = json!(person.upn());
        claims[format!("{upn}/upn")] = json!(person.upn());
        let role = if ADMINS.contains(&who) { OWNER } else { CONTRIBUTOR };
        Self { claims, object_id: person.id(), kind: "User", ip: network.ip, role }
    }
}

/// One operation on a resource.
struct Operation<'a> {
    scope: String,
    name: &'a str,
    category: &'static str,
    /// What was asked for, if that is written down.
    body: Option<Value>,
    /// Why it was refused.
    error: Option<(&'static str, String)>,
    /// How long it takes; what takes no time leaves one record.
    took: Millis,
}

impl<'a> Operation<'a> {
    fn on(scope: String, name: &'a str) -> Self {
        Self { scope, name, category: "Administrative", body: None, error: None, took: 900 }
    }

    fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn once(mut self) -> Self {
        self.took = 0;
        self
    }
}

fn group(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}")
}

/// Tells of an operation: its start, where it has one, and its end.
fn operation(scene: &mut Scene<'_>, by: &Caller, of: Operation<'_>) {
    let correlation = ids::guid(&mut scene.rng);
    if of.took > 0 && of.error.is_none() {
        record(scene, by, &of, &correlation, ("Start", "Started."));
        scene.at += of.took + Millis::from(scene.rng.below(1_500));
    }
    let end = match of.error {
        Some(_) => ("Failure", "Failed.Forbidden"),
        None if of.name.ends_with("/write") => ("Success", "Succeeded.Created"),
        None => ("Success", "Succeeded.OK"),
    };
    record(scene, by, &of, &correlation, end);
}

fn record(
    scene: &mut Scene<'_>,
    by: &Caller,
    of: &Operation<'_>,
    correlation: &str,
    (result, signature): (&str, &str),
) {
    let subscription = of.scope.split('/').nth(2).unwrap_or(SUBSCRIPTION).to_owned();
    let plain = |id: &str| id.replace('-', "");
    let root = format!("/subscriptions/{subscription}");
    let mut properties = json!({
        "eventCategory": of.category,
        "entity": of.scope,
        "message": of.name,
        "hierarchy": format!("{TENANT}/mg-example/{subscription}"),
    });
    if result == "Start" {
        if let Some(body) = &of.body {
            properties["requestbody"] = json!(body.to_string());
        }
    } else {
        properties["statusCode"] = json!(signature.rsplit('.').next());
        properties["serviceRequestId"] = json!(ids::guid(&mut scene.rng));
    }
    if let Some((code, message)) = &of.error {
        properties["statusMessage"] = json!(json!({"error": {"code": code, "message": message}}).to_string());
    }
    let event = json!({
        "RoleLocation": "West Europe",
        "ReleaseVersion": "6.2026.4.2+7d0c91e.release_2026w04",
        "time": iso_with(scene.at, 7, scene.rng.draw()),
        "resourceId": of.scope.to_uppercase(),
        "operationName": of.name.to_uppercase(),
        "category": of.category,
        "resultType": result,
        "resultSignature": signature,
        "durationMs": "0",
        "callerIpAddress": by.ip,
        "correlationId": correlation,
        "identity": {
            "authorization": {
                "scope": of.scope,
                "action": of.name,
                "evidence": {
                    "role": by.role.0,
                    "roleAssignmentScope": root,
                    "roleAssignmentId": plain(&ids::guid_of(&by.object_id)),
                    "roleDefinitionId": by.role.1,
                    "principalId": plain(&by.object_id),
                    "principalType": by.kind,
                },
            },
            "claims": by.claims,
        },
        "level": if of.error.is_some() { "Error" } else { "Information" },
        "properties": properties,
        "tenantId": TENANT,
    });
    scene.put(&event);
}

/// A pipeline deploys a template, or Terraform changes what it manages.
fn deployment(scene: &mut Scene<'_>) {
    let ip = delivery::runner(scene);
    if scene.nth.is_multiple_of(3) {
        terraform(scene, &ip);
        return;
    }
    let by = Caller::program(scene, AZURE_DEPLOYER, &ip);
    let app = scene.pick(&["shop", "tracking", "returns"]);
    let rg = group(&format!("rg-{app}"));
    let name = format!("{rg}/providers/Microsoft.Resources/deployments/{app}-{}", 2_000 + scene.nth);
    operation(scene, &by, Operation::on(name.clone(), "Microsoft.Resources/deployments/validate/action"));
    scene.pass(900, 4_000);
    operation(scene, &by, Operation::on(name, "Microsoft.Resources/deployments/write"));
    let site = format!("{rg}/providers/Microsoft.Web/sites/app-{app}-prod");
    let steps = [
        (site.clone(), "Microsoft.Web/sites/config/list/action"),
        (site.clone(), "Microsoft.Web/sites/config/write"),
        (format!("{site}/slots/next"), "Microsoft.Web/sites/slots/write"),
        (format!("{site}/slots/next"), "Microsoft.Web/sites/slots/slotsswap/action"),
        (
            format!("{rg}/providers/Microsoft.Insights/metricAlerts/latency"),
            "Microsoft.Insights/metricAlerts/write",
        ),
        (site, "Microsoft.Web/sites/restart/action"),
    ];
    for (scope, name) in steps {
        scene.pass(1_500, 20_000);
        operation(scene, &by, Operation::on(scope, name));
    }
}

fn terraform(scene: &mut Scene<'_>, ip: &str) {
    let by = Caller::program(scene, AZURE_TERRAFORM, ip);
    let rg = group("rg-platform");
    let vault = format!("{rg}/providers/Microsoft.KeyVault/vaults/kv-example-prod");
    let network = format!("{rg}/providers/Microsoft.Network/networkSecurityGroups/nsg-apps");
    let rule = json!({"properties": {"protocol": "Tcp", "sourceAddressPrefix": "10.60.0.0/16", "destinationPortRange": "443", "access": "Allow", "direction": "Inbound", "priority": 220}});
    let settings = json!({"properties": {"workspaceId": format!("{rg}/providers/Microsoft.OperationalInsights/workspaces/log-example"), "logs": [{"categoryGroup": "audit", "enabled": true}]}});
    let steps = [
        Operation::on(
            format!("{network}/securityRules/from-apps"),
            "Microsoft.Network/networkSecurityGroups/securityRules/write",
        )
        .with(rule),
        Operation::on(
            format!("{vault}/providers/Microsoft.Insights/diagnosticSettings/to-workspace"),
            "Microsoft.Insights/diagnosticSettings/write",
        )
        .with(settings),
        Operation::on(
            format!("{rg}/providers/Microsoft.Storage/storageAccounts/stexampledata"),
            "Microsoft.Storage/storageAccounts/write",
        ),
        Operation::on(
            format!("{rg}/providers/Microsoft.Resources/tags/default"),
            "Microsoft.Resources/tags/write",
        ),
    ];
    let skipped = scene.rng.below(4) as usize;
    for (number, step) in steps.into_iter().enumerate() {
        if number != skipped {
            scene.pass(1_500, 12_000);
            operation(scene, &by, step);
        }
    }
    // Terraform reads the vault that it manages
    for secret in ["sql-shop", "redis-shop", "sendmail", "search-key", "sas-media", "wiki-client"] {
        scene.pass(200, 1_500);
        let asks = VaultCall::of("SecretGet", &format!("secrets/{secret}"));
        vault_call(
            scene,
            &Reader::program(AZURE_TERRAFORM, ip, "Go-http-client/2.0 terraform-provider-azurerm/4.57.0"),
            asks,
        );
    }
}

/// What the platform does: policies, backups, scaling, machines that are switched off at night.
fn platform(scene: &mut Scene<'_>) {
    match scene.rng.below(5) {
        0 => {
            let by = Caller::program(scene, "0b7d6c52-41fa-4e98-a3d7-c8f15e920b64", NAT_AZURE);
            let scope = group("rg-shop") + "/providers/Microsoft.Storage/storageAccounts/stexampledata";
            let mut audit = Operation::on(scope, "Microsoft.Authorization/policies/audit/action").once();
            audit.category = "Policy";
            operation(scene, &by, audit);
        }
        1 => {
            let by = Caller::program(scene, AZURE_BACKUP, NAT_AZURE);
            let disk = format!(
                "{}/providers/Microsoft.Compute/snapshots/nightly-{}",
                group("rg-backup"),
                ids::hex(&mut scene.rng, 8)
            );
            operation(scene, &by, Operation::on(disk.clone(), "Microsoft.Compute/snapshots/write"));
            scene.pass(60_000, 300_000);
            operation(scene, &by, Operation::on(disk, "Microsoft.Compute/snapshots/delete"));
        }
        2 => {
            let by = Caller::program(scene, AZURE_SHOP, NAT_AZURE);
            let farm = group("rg-shop") + "/providers/Microsoft.Web/serverfarms/plan-prod";
            let mut scale = Operation::on(farm, "Microsoft.Insights/AutoscaleSettings/Scaleup/Action").once();
            scale.category = "Autoscale";
            operation(scene, &by, scale);
        }
        3 => {
            let by = Caller::program(scene, AZURE_DEPLOYER, NAT_AZURE);
            let machine = format!(
                "{}/providers/Microsoft.Compute/virtualMachines/vm-test-{:02}",
                group("rg-test"),
                scene.rng.below(6)
            );
            let name = if scene.rng.chance(500) {
                "Microsoft.Compute/virtualMachines/deallocate/action"
            } else {
                "Microsoft.Compute/virtualMachines/start/action"
            };
            operation(scene, &by, Operation::on(machine, name));
        }
        _ => {
            let by = Caller::program(scene, "5c8e1f07-92ab-4d63-b0f4-7a3de6914c28", NAT_AZURE);
            let cluster = format!(
                "/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_rg-shop_aks-shop_westeurope/providers/Microsoft.Compute/virtualMachineScaleSets/aks-nodes-17384926-vmss"
            );
            operation(scene, &by, Operation::on(cluster, "Microsoft.Compute/virtualMachineScaleSets/write"));
        }
    }
}

/// What administrators do in the portal.
fn administration(scene: &mut Scene<'_>) {
    let who = ADMINS[scene.rng.below(2) as usize];
    let by = Caller::person(scene, who);
    match scene.rng.below(5) {
        0 => {
            let rg = group(scene.pick(&["rg-shop", "rg-tracking", "rg-returns"]));
            let id = ids::guid(&mut scene.rng);
            let role =
                scene.pick(&["b24988ac-6180-42a0-ab88-20f7382dd24c", "acdd72a7-3385-48ef-bd42-f606fba81ae7"]);
            let team = ids::guid_of(scene.pick(&["Group team-backend", "Group team-data"]));
            let definition = format!(
                "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
            );
            let body = json!({"Id": id, "Properties": {"PrincipalId": team, "PrincipalType": "Group", "RoleDefinitionId": definition, "Scope": rg}});
            let scope = format!("{rg}/providers/Microsoft.Authorization/roleAssignments/{id}");
            operation(
                scene,
                &by,
                Operation::on(scope, "Microsoft.Authorization/roleAssignments/write").with(body),
            );
        }
        1 => {
            let settings = json!({"properties": {"workspaceId": group("rg-platform") + "/providers/Microsoft.OperationalInsights/workspaces/log-example", "logs": [{"category": "AuditEvent", "enabled": true}]}});
            let scope = group("rg-shop")
                + "/providers/Microsoft.KeyVault/vaults/kv-example-shop/providers/Microsoft.Insights/diagnosticSettings/to-workspace";
            operation(
                scene,
                &by,
                Operation::on(scope, "Microsoft.Insights/diagnosticSettings/write").with(settings),
            );
        }
        2 => {
            let scope = group("rg-shop") + "/providers/Microsoft.Web/sites/app-shop-prod";
            operation(scene, &by, Operation::on(scope, "Microsoft.Web/sites/restart/action"));
        }
        3 => {
            let scope = group("rg-test") + "/providers/Microsoft.Compute/virtualMachines/vm-test-02";
            operation(scene, &by, Operation::on(scope, "Microsoft.Compute/virtualMachines/start/action"));
        }
        _ => by_others(scene),
    }
}

/// Somebody who may not tries it, and asks a colleague then.
fn by_others(scene: &mut Scene<'_>) {
    let who = 6 + scene.rng.below(9) as usize;
    let by = Caller::person(scene, who);
    let scope = group("rg-platform") + "/providers/Microsoft.KeyVault/vaults/kv-example-prod";
    let name = "Microsoft.KeyVault/vaults/write";
    let message = format!(
        "The client '{}' with object id '{}' does not have authorization to perform action '{name}' over scope '{scope}'.",
        PEOPLE[who].upn(),
        PEOPLE[who].id()
    );
    let mut refused = Operation::on(scope, name);
    if scene.rng.chance(300) {
        refused.error = Some(("AuthorizationFailed", message));
        operation(scene, &by, refused);
    } else {
        let scope = group("rg-test") + "/providers/Microsoft.Web/sites/app-returns-test";
        operation(scene, &by, Operation::on(scope, "Microsoft.Web/sites/restart/action"));
    }
}

/// Once a week a deployment takes the keys of a storage account and of an AI account, to put them into the
/// settings of applications that know nothing better.
fn keys(scene: &mut Scene<'_>) {
    let ip = delivery::runner(scene);
    let by = Caller::program(scene, AZURE_DEPLOYER, &ip);
    let storage = group("rg-shop") + "/providers/Microsoft.Storage/storageAccounts/stexampledata";
    operation(scene, &by, Operation::on(storage, "Microsoft.Storage/storageAccounts/listKeys/action"));
    scene.pass(2_000, 9_000);
    let ai = format!(
        "/subscriptions/{AI_SUBSCRIPTION}/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/example-translate"
    );
    operation(scene, &by, Operation::on(ai, "Microsoft.CognitiveServices/accounts/listKeys/action"));
    scene.pass(2_000, 9_000);
    let site = group("rg-shop") + "/providers/Microsoft.Web/sites/app-shop-prod";
    operation(scene, &by, Operation::on(site, "Microsoft.Web/sites/config/write"));
}

/// Who reads a vault.
struct Reader {
    claim: Value,
    ip: String,
    agent: String,
}

impl Reader {
    fn program(object_id: &str, ip: &str, agent: &str) -> Self {
        let claim = json!({"oid": object_id, "appid": ids::guid_of(&format!("application {object_id}")), "idtyp": "app"});
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
struct VaultCall {
    operation: &'static str,
    path: String,
    status: u32,
}

impl VaultCall {
    fn of(operation: &'static str, path: &str) -> Self {
        Self { operation, path: path.to_owned(), status: 200 }
    }
}

fn vault_call(scene: &mut Scene<'_>, by: &Reader, of: VaultCall) {
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
        properties = json!({"requestUri": format!("{host}/{}/?api-version=7.6", of.path), "clientInfo": by.agent, "httpStatusCode": 401});
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

/// What vaults are asked for: the cluster's driver for its secrets, storage for its key, people now and then.
fn vault(scene: &mut Scene<'_>) {
    match scene.rng.below(10) {
        0 => {
            let driver =
                Reader::program(AZURE_VAULT_SYNC, NAT_AZURE, "secrets-store-csi-driver-provider-azure/1.7.2");
            vault_call(
                scene,
                &driver,
                VaultCall { status: 401, ..VaultCall::of("Authentication", "secrets/sql-shop") },
            );
            for secret in SYNCED {
                scene.pass(40, 300);
                vault_call(scene, &driver, VaultCall::of("SecretGet", &format!("secrets/{secret}")));
            }
        }
        1 if scene.at.rem_euclid(DAY) / HOUR >= 7
            && scene.at.rem_euclid(DAY) / HOUR < 17
            && super::calendar::is_workday(scene.at) =>
        {
            let who = scene.rng.below(ENGINEERS as u32) as usize;
            let person = Reader::person(who, scene.at);
            vault_call(scene, &person, VaultCall::of("SecretList", "secrets"));
            scene.pass(2_000, 20_000);
            let mut read =
                VaultCall::of("SecretGet", &format!("secrets/{}", SYNCED[scene.rng.below(12) as usize]));
            if scene.rng.chance(60) {
                read.status = 403;
            }
            vault_call(scene, &person, read);
        }
        2 => {
            let shop = Reader::program(
                AZURE_SHOP,
                NAT_AZURE,
                "azsdk-net-Security.KeyVault.Secrets/4.8.0 (.NET 10.0.2; Linux)",
            );
            for secret in &SYNCED[..3] {
                vault_call(scene, &shop, VaultCall::of("SecretGet", &format!("secrets/{secret}")));
                scene.pass(100, 900);
            }
        }
        _ => {
            let storage = Reader::program(
                "d7f3e2c9-1a84-4b65-9c0e-82f6b4d1a573",
                "10.60.4.7",
                "Microsoft-Azure-Storage/1.0",
            );
            for operation in ["KeyUnwrap", "KeyGet"] {
                vault_call(scene, &storage, VaultCall::of(operation, "keys/storage-key"));
                scene.pass(50, 900);
            }
        }
    }
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
