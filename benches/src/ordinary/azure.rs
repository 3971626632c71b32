//! Azure: deployments, administration, and what the platform does by itself.
//!
//! In: a moment. Out: records as diagnostic settings deliver them. An operation of the activity log leaves
//! a record of its start and one of its end, under one correlation id.

use serde_json::{Value, json};

use super::calendar::{Millis, Rhythm, iso_with};
use super::company::{
    self, ADMINS, AI_SUBSCRIPTION, AZURE_BACKUP, AZURE_DEPLOYER, AZURE_SHOP, AZURE_TERRAFORM, NAT_AZURE,
    PEOPLE, SUBSCRIPTION, TENANT,
};
use super::{Habit, Scene, azure_data, delivery, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "azure deployments", share: 1_500, rhythm: Rhythm::Work(7), tell: deployment },
    Habit { name: "azure platform", share: 1_200, rhythm: Rhythm::Always(24), tell: platform },
    Habit { name: "azure administration", share: 120, rhythm: Rhythm::Work(4), tell: administration },
    Habit { name: "azure keys", share: 24, rhythm: Rhythm::Weekly(1, 8 * 60), tell: keys },
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

pub fn group(name: &str) -> String {
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
    let rule = json!({
        "properties": {
            "protocol": "Tcp",
            "sourceAddressPrefix": "10.60.0.0/16",
            "destinationPortRange": "443",
            "access": "Allow",
            "direction": "Inbound",
            "priority": 220,
        },
    });
    let settings = json!({
        "properties": {
            "workspaceId": format!("{rg}/providers/Microsoft.OperationalInsights/workspaces/log-example"),
            "logs": [{"categoryGroup": "audit", "enabled": true}],
        },
    });
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
        let asks = azure_data::VaultCall::of("SecretGet", &format!("secrets/{secret}"));
        azure_data::vault_call(
            scene,
            &azure_data::Reader::program(
                AZURE_TERRAFORM,
                ip,
                "Go-http-client/2.0 terraform-provider-azurerm/4.57.0",
            ),
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
    let who = company::one_of(ADMINS, scene.rng.below(2) as usize, scene.at);
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
            let body = json!({
                "Id": id,
                "Properties": {
                    "PrincipalId": team,
                    "PrincipalType": "Group",
                    "RoleDefinitionId": definition,
                    "Scope": rg,
                },
            });
            let scope = format!("{rg}/providers/Microsoft.Authorization/roleAssignments/{id}");
            operation(
                scene,
                &by,
                Operation::on(scope, "Microsoft.Authorization/roleAssignments/write").with(body),
            );
        }
        1 => {
            let settings = json!({
                "properties": {
                    "workspaceId": group("rg-platform") + "/providers/Microsoft.OperationalInsights/workspaces/log-example",
                    "logs": [{"category": "AuditEvent", "enabled": true}],
                },
            });
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
    let who = company::one_of(6..15, scene.rng.below(9) as usize, scene.at);
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
