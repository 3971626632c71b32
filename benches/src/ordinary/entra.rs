//! Entra ID: sign-ins of people, of programs and of managed identities, and what changes in the directory.
//!
//! In: a moment. Out: records as diagnostic settings deliver them. Each person signs in once in the morning
//! with a second factor, mistypes the password now and then, lets a prompt expire; for the rest of the day
//! tokens are renewed, also on the telephone, whose carrier is not where the person is.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Rhythm, iso_offset, iso_with};
use super::company::{
    self, ADMINS, AZURE_BACKUP, AZURE_DEPLOYER, AZURE_SHOP, AZURE_TERRAFORM, AZURE_VAULT_SYNC, AZURE_WRITER,
    DUBLIN, ENGINEERS, NAT_AZURE, Network, PEOPLE, Person, TENANT,
};
use super::{Habit, Scene, delivery, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "mornings", share: 1_250, rhythm: Rhythm::Work(30), tell: morning },
    Habit { name: "renewed tokens", share: 3_500, rhythm: Rhythm::Work(120), tell: renewal },
    Habit { name: "weekends", share: 300, rhythm: Rhythm::Always(12), tell: telephone },
    Habit { name: "programs", share: 1_700, rhythm: Rhythm::Always(48), tell: program },
    Habit { name: "directory", share: 1_100, rhythm: Rhythm::Work(14), tell: directory },
];

/// An application that people sign in to: its id, its name, and the resource behind it.
type App = (&'static str, &'static str, &'static str, &'static str);

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

const PORTAL: App = (
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
    "Azure Portal",
    "Windows Azure Service Management API",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
);
const OFFICE: App = (
    "4765445b-32c6-49b0-83e6-1d93765276ca",
    "OfficeHome",
    "OfficeHome",
    "4765445b-32c6-49b0-83e6-1d93765276ca",
);
const TEAMS: App = ("1fec8e78-bce4-4aaf-ab1b-5451cc387264", "Microsoft Teams", "Microsoft Graph", GRAPH);
const MAIL: App = (
    "d3590ed6-52b3-4102-aeff-aad2292ab01c",
    "Microsoft Office",
    "Office 365 Exchange Online",
    "00000002-0000-0ff1-ce00-000000000000",
);
const CLI: App = (
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "Microsoft Azure CLI",
    "Windows Azure Service Management API",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
);
const AWS: App = (
    "8c0a5d12-7e94-4b3f-a6d1-05f2c9e8b741",
    "AWS IAM Identity Center",
    "AWS IAM Identity Center",
    "8c0a5d12-7e94-4b3f-a6d1-05f2c9e8b741",
);
const CHAT: App = (
    "3e7b91c4-0d58-42fa-8b6c-f19a2d07e583",
    "Example Wiki",
    "Example Wiki",
    "3e7b91c4-0d58-42fa-8b6c-f19a2d07e583",
);

/// One sign-in of a person.
struct SignIn {
    who: usize,
    network: Network,
    app: App,
    interactive: bool,
    /// The code and the reason of what went wrong.
    error: Option<(u32, &'static str)>,
    steps: Value,
    details: Value,
    client: &'static str,
    agent: String,
}

/// A step of a sign-in.
fn step(scene: &mut Scene<'_>, method: &str, requirement: &str, result: &str, succeeded: bool) -> Value {
    json!({
        "authenticationStepDateTime": iso_offset(scene.at, scene.rng.draw()),
        "authenticationMethod": method,
        "authenticationMethodDetail": null,
        "succeeded": succeeded,
        "authenticationStepResultDetail": result,
        "authenticationStepRequirement": requirement,
    })
}

/// A step in which nothing was asked for, because the token says it all.
fn satisfied(scene: &mut Scene<'_>) -> Value {
    let second = "MFA requirement satisfied by claim in the token";
    json!([
        step(
            scene,
            "Previously satisfied",
            "Primary authentication",
            "First factor requirement satisfied by claim in the token",
            true
        ),
        step(scene, "Previously satisfied", "Multi-factor authentication", second, true),
    ])
}

/// The first sign-in of somebody's day.
fn morning(scene: &mut Scene<'_>) {
    let who = scene.nth % PEOPLE.len();
    let day = scene.at - scene.at.rem_euclid(24 * HOUR);
    let early = i64::from(ids::of(PEOPLE[who].name).below(100)) * MINUTE;
    scene.at = day + 6 * HOUR + 20 * MINUTE + early + i64::from(scene.rng.below(1_500)) * 1_000;
    scene.at += PEOPLE[who].shift * HOUR;
    let app = if who < ENGINEERS && scene.rng.chance(450) { PORTAL } else { OFFICE };
    while scene.rng.chance(26) {
        let wrong = step(
            scene,
            "Password",
            "Primary authentication",
            "Invalid username or password or Invalid on-premise username or password.",
            false,
        );
        let error = Some((50_126, "Error validating credentials due to invalid username or password."));
        put(scene, browser(scene.at, who, app, json!([wrong]), error));
        scene.pass(9_000, 40_000);
    }
    let password = step(scene, "Password", "Primary authentication", "Correct password", true);
    if scene.rng.chance(9) {
        let late = step(
            scene,
            "Mobile app notification",
            "Multi-factor authentication",
            "MFA denied; user did not respond to mobile app notification",
            false,
        );
        let error = Some((500_121, "Authentication failed during strong authentication request."));
        put(scene, browser(scene.at, who, app, json!([password.clone(), late]), error));
        scene.pass(20_000, 90_000);
    }
    if scene.rng.chance(400) {
        let interrupt = Some((
            50_140,
            "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in.",
        ));
        put(scene, browser(scene.at, who, app, json!([password.clone()]), interrupt));
        scene.pass(1_500, 6_000);
    }
    let second = step(
        scene,
        "Mobile app notification",
        "Multi-factor authentication",
        "MFA completed in Azure AD",
        true,
    );
    put(scene, browser(scene.at, who, app, json!([password, second]), None));
    for app in [TEAMS, MAIL] {
        scene.pass(20_000, 400_000);
        renew(scene, who, app);
    }
}

/// An interactive sign-in in a browser.
fn browser(at: i64, who: usize, app: App, steps: Value, error: Option<(u32, &'static str)>) -> SignIn {
    let details = if error.is_none() { json!("MFA completed in Azure AD") } else { Value::Null };
    let network = company::whereabouts(who, at);
    let agent = company::browser(who).to_owned();
    SignIn { who, network, app, interactive: true, error, steps, details, client: "Browser", agent }
}

/// A token is renewed without a word.
fn renew(scene: &mut Scene<'_>, who: usize, app: App) {
    let steps = satisfied(scene);
    let (client, agent) = match app.0 {
        id if id == PORTAL.0 || id == CHAT.0 || id == AWS.0 => ("Browser", company::browser(who).to_owned()),
        id if id == CLI.0 => ("Mobile Apps and Desktop clients", "python-requests/2.32.5".to_owned()),
        _ => (
            "Mobile Apps and Desktop clients",
            "Microsoft Office/16.0 (Windows NT 10.0; MSAL 1.0)".to_owned(),
        ),
    };
    let network = company::whereabouts(who, scene.at);
    let details = json!("MFA requirement satisfied by claim in the token");
    put(scene, SignIn { who, network, app, interactive: false, error: None, steps, details, client, agent });
}

/// What happens through the day: renewals, mostly.
fn renewal(scene: &mut Scene<'_>) {
    let who = (scene.nth * 11 + scene.nth / PEOPLE.len()) % PEOPLE.len();
    scene.at += PEOPLE[who].shift * HOUR;
    if scene.rng.chance(180) {
        on_telephone(scene, who);
        return;
    }
    let apps: &[App] =
        if who < ENGINEERS { &[TEAMS, MAIL, PORTAL, CLI, CHAT] } else { &[TEAMS, MAIL, MAIL, CHAT] };
    let app = apps[scene.rng.below(apps.len() as u32) as usize];
    renew(scene, who, app);
    if scene.rng.chance(300) {
        scene.pass(300, 4_000);
        renew(scene, who, MAIL);
    }
}

fn on_telephone(scene: &mut Scene<'_>, who: usize) {
    let app = if scene.rng.chance(500) { TEAMS } else { MAIL };
    let steps = satisfied(scene);
    let details = json!("MFA requirement satisfied by claim in the token");
    let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 PKeyAuth/1.0".to_owned();
    let network = company::telephone(who, scene.at);
    let client = "Mobile Apps and Desktop clients";
    // a token that is too old is refused, and the application asks for a new one
    let error = scene.rng.chance(12).then_some((
        70_043,
        "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
    ));
    put(scene, SignIn { who, network, app, interactive: false, error, steps, details, client, agent });
}

/// Telephones look for mail at any time.
fn telephone(scene: &mut Scene<'_>) {
    let who = (scene.nth * 13 + 5) % PEOPLE.len();
    on_telephone(scene, who);
}

/// On the way to the console of AWS: the directory answers for somebody who has signed in already.
pub fn single_sign_on(scene: &mut Scene<'_>, who: usize) {
    let steps = satisfied(scene);
    let details = json!("MFA requirement satisfied by claim in the token");
    let network = company::whereabouts(who, scene.at);
    let agent = company::browser(who).to_owned();
    put(
        scene,
        SignIn {
            who,
            network,
            app: AWS,
            interactive: true,
            error: None,
            steps,
            details,
            client: "Browser",
            agent,
        },
    );
}

/// What all sign-ins have around their properties.
fn around(
    scene: &mut Scene<'_>,
    category: &str,
    name: &str,
    of: (&str, &str),
    error: Option<(u32, &str)>,
) -> Value {
    let written = scene.at + 60_000 + i64::from(scene.rng.below(60_000));
    let mut record = json!({
        "time": iso_with(written, 7, scene.rng.draw()),
        "resourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"),
        "operationName": "Sign-in activity",
        "operationVersion": "1.0",
        "category": category,
        "tenantId": TENANT,
        "resultType": error.map_or(0, |(code, _)| code).to_string(),
        "resultSignature": "None",
    });
    if let Some((_, reason)) = error {
        record["resultDescription"] = json!(reason);
    }
    record["durationMs"] = json!(0);
    record["callerIpAddress"] = json!(of.0);
    record["correlationId"] = json!(ids::guid(&mut scene.rng));
    record["identity"] = json!(name);
    record["Level"] = json!(4);
    record["location"] = json!(of.1);
    record
}

fn put(scene: &mut Scene<'_>, of: SignIn) {
    let person: &Person = &PEOPLE[of.who];
    let category = if of.interactive { "SignInLogs" } else { "NonInteractiveUserSignInLogs" };
    let place = of.network.place;
    let mut record = around(scene, category, person.name, (&of.network.ip, place.country), of.error);
    let (id, token) = (ids::guid(&mut scene.rng), ids::small(&mut scene.rng, 22));
    let correlation = record["correlationId"].clone();
    let created = iso_offset(scene.at, scene.rng.draw());
    let (code, reason) = of.error.unwrap_or((0, "Other."));
    let risk = json!("none");
    let half_day = scene.at / (12 * HOUR);
    let kind = if of.interactive { "interactiveUser" } else { "nonInteractiveUser" };
    let managed = of.client == "Browser" || of.agent.contains("Office");
    record["properties"] = json!({
        "id": id,
        "createdDateTime": created,
        "userDisplayName": person.name,
        "userPrincipalName": person.upn(),
        "userId": person.id(),
        "userType": "member",
        "appId": of.app.0,
        "appDisplayName": of.app.1,
        "ipAddress": of.network.ip,
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": of.details},
        "clientAppUsed": of.client,
        "userAgent": of.agent,
        "deviceDetail": {
            "deviceId": if managed { ids::guid_of(&format!("notebook of {}", person.name)) } else { String::new() },
            "displayName": if managed { json!(format!("NB-{:04}", 100 + of.who)) } else { Value::Null },
            "operatingSystem": company::system(of.who),
            "browser": "",
            "isCompliant": managed,
            "isManaged": managed,
            "trustType": if managed { "Azure AD joined" } else { "" },
        },
        "location": {
            "city": place.city,
            "state": place.state,
            "countryOrRegion": place.country,
            "geoCoordinates": {"altitude": null, "latitude": place.latitude, "longitude": place.longitude},
        },
        "correlationId": correlation,
        "conditionalAccessStatus": if code == 0 { "success" } else { "notApplied" },
        "appliedConditionalAccessPolicies": [],
        "originalRequestId": id,
        "isInteractive": of.interactive,
        "signInEventTypes": [kind],
        "authenticationProtocol": "none",
        "networkLocationDetails": [],
        "processingTimeInMilliseconds": 90 + scene.rng.below(240),
        "riskDetail": risk,
        "riskLevelAggregated": risk,
        "riskLevelDuringSignIn": risk,
        "riskState": risk,
        "riskEventTypes_v2": [],
        "resourceDisplayName": of.app.2,
        "resourceId": of.app.3,
        "resourceTenantId": TENANT,
        "homeTenantId": TENANT,
        "tokenIssuerType": "AzureAD",
        "authenticationDetails": of.steps,
        "authenticationRequirement": "multiFactorAuthentication",
        "servicePrincipalId": "",
        "autonomousSystemNumber": of.network.system,
        "crossTenantAccessType": "none",
        "sessionId": ids::guid_of(&format!("session of {} in {half_day} at {}", person.name, of.client)),
        "uniqueTokenIdentifier": token,
    });
    scene.put(&record);
}

/// A program that signs in: its name, its object id, its kind of credential.
const PROGRAMS: [(&str, &str, &str); 6] = [
    ("github-deploy", AZURE_DEPLOYER, "federatedIdentityCredential"),
    ("terraform", AZURE_TERRAFORM, "federatedIdentityCredential"),
    ("vault-sync", AZURE_VAULT_SYNC, "clientAssertion"),
    ("shop-azure", AZURE_SHOP, "managedIdentity"),
    ("texts-writer", AZURE_WRITER, "managedIdentity"),
    ("backup-vault", AZURE_BACKUP, "managedIdentity"),
];

const RESOURCES: [(&str, &str); 4] = [
    ("Windows Azure Service Management API", "797f4846-ba00-4fd7-ba43-dac1f8f63013"),
    ("Azure Key Vault", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"),
    ("Azure Storage", "e406a681-f3d4-42a8-90b6-c2b029497af1"),
    ("Microsoft Cognitive Services", "7d312290-28c8-473c-a0ed-8e53749b6d6d"),
];

/// A program asks for a token: pipelines in the day, everything else at any time.
fn program(scene: &mut Scene<'_>) {
    let office = (7..18).contains(&(scene.at.rem_euclid(24 * HOUR) / HOUR));
    let from = if office { 0 } else { 2 };
    let (name, id, credential) = PROGRAMS[from + scene.rng.below(6 - from as u32) as usize];
    let resource = match name {
        "vault-sync" => RESOURCES[1],
        "texts-writer" => RESOURCES[3],
        "shop-azure" => RESOURCES[2],
        _ => RESOURCES[0],
    };
    let managed = credential == "managedIdentity";
    let (category, kind) = if managed {
        ("ManagedIdentitySignInLogs", "managedIdentity")
    } else {
        ("ServicePrincipalSignInLogs", "servicePrincipal")
    };
    let (ip, system) = match name {
        _ if managed => (String::new(), 0),
        "vault-sync" => (NAT_AZURE.to_owned(), 64_500),
        _ => (delivery::runner(scene), 64_507),
    };
    let location = if managed || ip == NAT_AZURE {
        json!({"city": "", "state": "", "countryOrRegion": "", "geoCoordinates": {"altitude": null, "latitude": null, "longitude": null}})
    } else {
        json!({"city": DUBLIN.city, "state": DUBLIN.state, "countryOrRegion": DUBLIN.country, "geoCoordinates": {"altitude": null, "latitude": DUBLIN.latitude, "longitude": DUBLIN.longitude}})
    };
    let country = location["countryOrRegion"].as_str().unwrap_or_default().to_owned();
    let error = (name == "vault-sync" && scene.rng.chance(8))
        .then_some((700_024, "Client assertion is not within its valid time range."));
    let mut record = around(scene, category, name, (&ip, &country), error);
    let correlation = record["correlationId"].clone();
    record["properties"] = json!({
        "id": ids::guid(&mut scene.rng),
        "createdDateTime": iso_offset(scene.at, scene.rng.draw()),
        "userDisplayName": "",
        "userPrincipalName": "",
        "userId": "",
        "appId": ids::guid_of(&format!("application {name}")),
        "appDisplayName": "",
        "ipAddress": ip,
        "status": {"errorCode": error.map_or(0, |(code, _)| code), "failureReason": error.map_or("Other.", |(_, reason)| reason), "additionalDetails": null},
        "clientAppUsed": "",
        "userAgent": "",
        "location": location,
        "correlationId": correlation,
        "conditionalAccessStatus": "notApplied",
        "isInteractive": false,
        "signInEventTypes": [kind],
        "authenticationProcessingDetails": [],
        "networkLocationDetails": [],
        "riskState": "none",
        "riskLevelAggregated": "none",
        "riskLevelDuringSignIn": "none",
        "resourceDisplayName": resource.0,
        "resourceId": resource.1,
        "resourceTenantId": TENANT,
        "servicePrincipalId": id,
        "servicePrincipalName": name,
        "servicePrincipalCredentialKeyId": ids::guid_of(&format!("credential of {name}")),
        "clientCredentialType": credential,
        "autonomousSystemNumber": system,
        "uniqueTokenIdentifier": ids::small(&mut scene.rng, 22),
    });
    scene.put(&record);
}

/// Something that was done to the directory.
struct Activity {
    name: &'static str,
    category: &'static str,
    service: &'static str,
    operation: &'static str,
    by: Value,
    ip: Option<String>,
    targets: Value,
    details: Value,
    result: (&'static str, &'static str),
}

impl Activity {
    fn of(name: &'static str, category: &'static str, operation: &'static str) -> Self {
        let (by, targets, details) = (Value::Null, json!([]), json!([]));
        Self {
            name,
            category,
            service: "Core Directory",
            operation,
            by,
            ip: None,
            targets,
            details,
            result: ("success", ""),
        }
    }

    fn by_person(mut self, at: i64, who: usize) -> Self {
        let (person, ip) = (&PEOPLE[who], company::whereabouts(who, at).ip);
        self.by = json!({"user": {"id": person.id(), "displayName": null, "userPrincipalName": person.upn(), "ipAddress": ip, "roles": []}});
        self.ip = Some(ip);
        self
    }

    fn by_app(mut self, name: &str) -> Self {
        let id = ids::guid_of(&format!("service principal {name}"));
        self.by = json!({"app": {"appId": null, "displayName": name, "servicePrincipalId": id, "servicePrincipalName": null}});
        self
    }

    fn on(mut self, targets: Vec<Value>) -> Self {
        self.targets = Value::Array(targets);
        self
    }
}

/// A target, with what was changed of it.
fn target(kind: &str, name: &str, upn: Option<&str>, changed: &[(&str, Option<&str>, &str)]) -> Value {
    let changed: Vec<Value> = changed
        .iter()
        .map(|(name, old, new)| json!({"displayName": name, "oldValue": old, "newValue": new}))
        .collect();
    let id = ids::guid_of(&format!("{kind} {}", upn.unwrap_or(name)));
    json!({"id": id, "displayName": name, "type": kind, "userPrincipalName": upn, "groupType": null, "modifiedProperties": changed, "administrativeUnits": []})
}

fn user(who: usize, changed: &[(&str, Option<&str>, &str)]) -> Value {
    let mut target = target("User", PEOPLE[who].name, Some(&PEOPLE[who].upn()), changed);
    target["id"] = json!(PEOPLE[who].id());
    target
}

fn audited(scene: &mut Scene<'_>, of: Activity) {
    let written = scene.at + 90_000 + i64::from(scene.rng.below(120_000));
    let correlation = ids::guid(&mut scene.rng);
    let noise = scene.rng.draw();
    let mut record = json!({
        "time": iso_with(written, 7, noise),
        "resourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"),
        "operationName": of.name,
        "operationVersion": "1.0",
        "category": "AuditLogs",
        "tenantId": TENANT,
        "resultSignature": "None",
        "durationMs": 0,
    });
    if let Some(ip) = of.ip {
        record["callerIpAddress"] = json!(ip);
    }
    record["correlationId"] = json!(correlation);
    record["Level"] = json!(4);
    record["properties"] = json!({
        "id": format!("Directory_{correlation}_{}", ids::digits(&mut scene.rng, 5)),
        "category": of.category,
        "correlationId": correlation,
        "result": of.result.0,
        "resultReason": of.result.1,
        "activityDisplayName": of.name,
        "activityDateTime": iso_offset(scene.at, noise),
        "loggedByService": of.service,
        "operationType": of.operation,
        "initiatedBy": of.by,
        "targetResources": of.targets,
        "additionalDetails": of.details,
        "tenantId": TENANT,
        "resultType": "",
        "resultDescription": "",
        "operationName": of.name,
        "identity": "",
        "tenantGeo": "EU",
        "userAgent": null,
    });
    scene.put(&record);
}

/// What changes in the directory in the course of a month.
fn directory(scene: &mut Scene<'_>) {
    match scene.rng.below(100) {
        0..=44 => provisioning(scene),
        45..=62 => devices(scene),
        63..=74 => groups(scene),
        75..=83 => methods(scene),
        84..=91 => privileges(scene),
        92..=96 => applications(scene),
        _ => guests(scene),
    }
}

/// The personnel system keeps names, departments and licences up to date.
fn provisioning(scene: &mut Scene<'_>) {
    let who = scene.rng.below(PEOPLE.len() as u32) as usize;
    let change = [
        ("JobTitle", Some("[\"Engineer\"]"), "[\"Senior Engineer\"]"),
        ("Included Updated Properties", None, "\"JobTitle\""),
    ];
    audited(
        scene,
        Activity::of("Update user", "UserManagement", "Update")
            .by_app("personnel-sync")
            .on(vec![user(who, &change)]),
    );
    if scene.rng.chance(300) {
        scene.pass(300, 2_000);
        let licence = Activity::of("Change user license", "UserManagement", "Update")
            .by_app("Microsoft Graph group licensing");
        audited(scene, licence.on(vec![user(who, &[])]));
    }
}

/// A notebook is joined or reports that it complies.
fn devices(scene: &mut Scene<'_>) {
    let who = scene.rng.below(PEOPLE.len() as u32) as usize;
    let name = format!("NB-{:04}", 100 + who);
    let comply = [
        ("IsCompliant", Some("[false]"), "[true]"),
        ("Included Updated Properties", None, "\"IsCompliant\""),
    ];
    let update = Activity::of("Update device", "Device", "Update").by_app("Microsoft Intune");
    audited(scene, update.on(vec![target("Device", &name, None, &comply)]));
    if scene.rng.chance(60) {
        for name in ["Add device", "Add registered owner to device", "Add registered users to device"] {
            scene.pass(200, 900);
            let add = Activity::of(name, "Device", "Add").by_app("Device Registration Service");
            audited(
                scene,
                add.on(vec![
                    target("Device", &format!("NB-{:04}", 300 + scene.nth % 500), None, &[]),
                    user(who, &[]),
                ]),
            );
        }
    }
}

const GROUPS: [&str; 5] = ["team-backend", "team-data", "wiki-editors", "aws-developers", "project-returns"];

fn groups(scene: &mut Scene<'_>) {
    let (who, group) = (scene.rng.below(PEOPLE.len() as u32) as usize, scene.pick(&GROUPS));
    let admin = ADMINS[scene.rng.below(3) as usize];
    let name = format!("\"{group}\"");
    let add = scene.rng.chance(650);
    let (activity, operation, change) = if add {
        ("Add member to group", "Assign", ("Group.DisplayName", None, name.as_str()))
    } else {
        ("Remove member from group", "Unassign", ("Group.DisplayName", None, name.as_str()))
    };
    let activity = Activity::of(activity, "GroupManagement", operation).by_person(scene.at, admin);
    audited(scene, activity.on(vec![user(who, &[change]), target("Group", group, None, &[])]));
}

/// Somebody registers a new telephone or resets the own password.
fn methods(scene: &mut Scene<'_>) {
    let who = scene.rng.below(PEOPLE.len() as u32) as usize;
    if scene.rng.chance(550) {
        let mut update =
            Activity::of("User registered security info", "UserManagement", "Add").by_person(scene.at, who);
        update.service = "Authentication Methods";
        update.result = ("success", "User registered Authenticator App with Notification and Code");
        audited(scene, update.on(vec![user(who, &[])]));
        scene.pass(500, 2_000);
        let change = [("StrongAuthenticationMethod", Some("[]"), "[{\"MethodType\":6,\"Default\":true}]")];
        audited(
            scene,
            Activity::of("Update user", "UserManagement", "Update")
                .by_app("Azure MFA StrongAuthenticationService")
                .on(vec![user(who, &change)]),
        );
    } else {
        let mut change = Activity::of("Change password (self-service)", "UserManagement", "Update")
            .by_person(scene.at, who);
        change.service = "Self-service Password Management";
        if scene.rng.chance(120) {
            change.result =
                ("failure", "The new password does not meet the requirements of the organisation.");
        }
        audited(scene, change.on(vec![user(who, &[])]));
    }
}

/// An administrator takes a role for some hours, with a reason.
fn privileges(scene: &mut Scene<'_>) {
    let who = ADMINS[scene.rng.below(3) as usize];
    let role = scene.pick(&[
        "Application Administrator",
        "Groups Administrator",
        "Security Reader",
        "User Administrator",
    ]);
    let reason = scene.pick(&[
        "new colleague starts",
        "certificate of the wiki",
        "access review",
        "ticket about a group",
    ]);
    for name in
        ["Add member to role requested (PIM activation)", "Add member to role completed (PIM activation)"]
    {
        let mut activation = Activity::of(name, "RoleManagement", "Update").by_person(scene.at, who);
        activation.service = "PIM";
        activation.result = ("success", reason);
        let ip = activation.ip.take();
        activation.details =
            json!([{"key": "Justification", "value": reason}, {"key": "ipaddr", "value": ip}]);
        let targets =
            vec![target("Role", role, None, &[]), user(who, &[]), target("Directory", "Example", None, &[])];
        audited(scene, activation.on(targets));
        scene.pass(1_500, 4_000);
    }
    let ended = scene.at + 4 * HOUR;
    let name = format!("\"{role}\"");
    let begun = std::mem::replace(&mut scene.at, ended);
    let remove =
        Activity::of("Remove member from role (PIM activation expired)", "RoleManagement", "Unassign")
            .by_app("MS-PIM");
    audited(
        scene,
        remove.on(vec![user(who, &[("Role.DisplayName", None, &name)]), target("Role", role, None, &[])]),
    );
    scene.at = begun;
}

/// A secret of an application is renewed; somebody consents to an application that reads the own profile.
fn applications(scene: &mut Scene<'_>) {
    if scene.rng.chance(400) {
        let new = format!(
            "[\"[KeyIdentifier={},KeyType=Password,KeyUsage=Verify,DisplayName=2026]\"]",
            ids::guid(&mut scene.rng)
        );
        let change = [
            ("KeyDescription", Some("[]"), new.as_str()),
            ("Included Updated Properties", None, "\"KeyDescription\""),
        ];
        let activity = Activity::of(
            "Update application – Certificates and secrets management ",
            "ApplicationManagement",
            "Update",
        );
        audited(
            scene,
            activity.by_app("terraform").on(vec![target("Application", "example-wiki", None, &change)]),
        );
        return;
    }
    let who = scene.rng.below(PEOPLE.len() as u32) as usize;
    let app = scene.pick(&["Whiteboard for Teams", "Meeting Polls", "Diagram Editor"]);
    let change = [
        ("ConsentContext.IsAdminConsent", None, "\"False\""),
        ("ConsentContext.OnBehalfOfAll", None, "\"False\""),
        (
            "ConsentAction.Permissions",
            None,
            "\"[] => [[Id: , ClientId: , PrincipalId: , ResourceId: , ConsentType: Principal, Scope: User.Read openid profile, CreatedDateTime: , LastModifiedDateTime ]]; \"",
        ),
    ];
    let grant = Activity::of("Add delegated permission grant", "ApplicationManagement", "Assign")
        .by_person(scene.at, who);
    let scope = [
        ("DelegatedPermissionGrant.Scope", None, "\" User.Read openid profile\""),
        ("DelegatedPermissionGrant.ConsentType", None, "\"Principal\""),
    ];
    audited(
        scene,
        grant.on(vec![
            target("ServicePrincipal", "Microsoft Graph", None, &scope),
            target("ServicePrincipal", app, None, &[]),
        ]),
    );
    scene.pass(200, 900);
    let consent =
        Activity::of("Consent to application", "ApplicationManagement", "Assign").by_person(scene.at, who);
    audited(scene, consent.on(vec![target("ServicePrincipal", app, None, &change)]));
}

/// A supplier's people are invited to a project.
fn guests(scene: &mut Scene<'_>) {
    let who = 6 + scene.rng.below(19) as usize;
    let name = format!("guest{}", scene.nth);
    let upn = format!("{name}_example.org#EXT#@example.onmicrosoft.com");
    let mut invite = Activity::of("Invite external user", "UserManagement", "Add").by_person(scene.at, who);
    invite.service = "Invited Users";
    invite.details = json!([{"key": "invitedUserEmailAddress", "value": format!("{name}@example.org")}]);
    audited(scene, invite.on(vec![target("User", &name, Some(&upn), &[])]));
    scene.pass(500, 1_500);
    let add =
        Activity::of("Add user", "UserManagement", "Add").by_app("Microsoft Invitation Acceptance Portal");
    audited(
        scene,
        add.on(vec![target("User", &name, Some(&upn), &[("UserType", Some("[]"), "[\"Guest\"]")])]),
    );
}
