//! Entra ID: sign-ins of people, of programs and of managed identities.
//!
//! In: a moment. Out: records as diagnostic settings deliver them. Each person signs in once in the morning
//! with a second factor, mistypes the password now and then, lets a prompt expire; for the rest of the day
//! tokens are renewed, also on the telephone, whose carrier is not where the person is.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Millis, Rhythm, iso_offset, iso_with};
use super::company::{
    self, AZURE_BACKUP, AZURE_DEPLOYER, AZURE_SHOP, AZURE_TERRAFORM, AZURE_VAULT_SYNC, AZURE_WRITER, DUBLIN,
    ENGINEERS, NAT_AZURE, Network, PEOPLE, Person, Place, TENANT,
};
use super::{Habit, Scene, delivery, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "mornings", share: 1_250, rhythm: Rhythm::Work(30), tell: morning },
    Habit { name: "renewed tokens", share: 3_500, rhythm: Rhythm::Work(160), tell: renewal },
    Habit { name: "weekends", share: 300, rhythm: Rhythm::Always(12), tell: telephone },
    Habit { name: "programs", share: 1_700, rhythm: Rhythm::Always(66), tell: program },
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
    let who = company::one_of(0..PEOPLE.len(), scene.nth, scene.at);
    let day = scene.at - scene.at.rem_euclid(24 * HOUR);
    let early = i64::from(ids::of(PEOPLE[who].name).below(100)) * MINUTE;
    scene.at = day + 6 * HOUR + 20 * MINUTE + early + i64::from(scene.rng.below(1_500)) * 1_000;
    scene.at += PEOPLE[who].shift * HOUR;
    let app = if who < ENGINEERS && scene.rng.chance(450) { PORTAL } else { OFFICE };
    while scene.rng.chance(45) {
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
    if scene.rng.chance(16) {
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
fn browser(at: Millis, who: usize, app: App, steps: Value, error: Option<(u32, &'static str)>) -> SignIn {
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

/// What happens through the day: renewals, mostly; sometimes an application wants to know it again.
fn renewal(scene: &mut Scene<'_>) {
    let place = scene.nth * 11 + scene.nth / PEOPLE.len();
    let who = company::one_of(0..PEOPLE.len(), place, scene.at);
    scene.at += PEOPLE[who].shift * HOUR;
    if scene.rng.chance(180) {
        on_telephone(scene, who);
        return;
    }
    let apps: &[App] =
        if who < ENGINEERS { &[TEAMS, MAIL, PORTAL, CLI, CHAT] } else { &[TEAMS, MAIL, MAIL, CHAT] };
    let app = apps[scene.rng.below(apps.len() as u32) as usize];
    if scene.rng.chance(40) {
        let steps = both_factors(scene);
        put(scene, browser(scene.at, who, CHAT, steps, None));
        return;
    }
    renew(scene, who, app);
    if scene.rng.chance(300) {
        scene.pass(300, 4_000);
        renew(scene, who, MAIL);
    }
}

/// The steps of a sign-in with password and telephone.
fn both_factors(scene: &mut Scene<'_>) -> Value {
    let (first, second) = ("Primary authentication", "Multi-factor authentication");
    json!([
        step(scene, "Password", first, "Correct password", true),
        step(scene, "Mobile app notification", second, "MFA completed in Azure AD", true),
    ])
}

/// The telephone renews its token. One that is too old is refused, and the person has to sign in again.
fn on_telephone(scene: &mut Scene<'_>, who: usize) {
    let app = if scene.rng.chance(500) { TEAMS } else { MAIL };
    let too_old =
        "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.";
    let error = scene.rng.chance(18).then_some((70_043, too_old));
    let again = error.is_some();
    let steps = satisfied(scene);
    put(scene, telephone_sign_in(scene.at, who, app, steps, error));
    if again {
        scene.pass(9_000, 60_000);
        let steps = both_factors(scene);
        let sign_in = telephone_sign_in(scene.at, who, app, steps, None);
        put(scene, SignIn { interactive: true, ..sign_in });
    }
}

fn telephone_sign_in(
    at: Millis,
    who: usize,
    app: App,
    steps: Value,
    error: Option<(u32, &'static str)>,
) -> SignIn {
    let details = json!("MFA requirement satisfied by claim in the token");
    let agent = TELEPHONE.to_owned();
    let network = company::telephone(who, at);
    let client = "Mobile Apps and Desktop clients";
    SignIn { who, network, app, interactive: false, error, steps, details, client, agent }
}

const TELEPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 PKeyAuth/1.0";

/// Telephones look for mail at any time.
fn telephone(scene: &mut Scene<'_>) {
    let who = company::one_of(0..PEOPLE.len(), scene.nth * 13 + 5, scene.at);
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

/// How it ended: the code and the reason.
fn status(error: Option<(u32, &str)>, details: Value) -> Value {
    let (code, reason) = error.unwrap_or((0, "Other."));
    json!({"errorCode": code, "failureReason": reason, "additionalDetails": details})
}

fn location(of: Option<&Place>) -> Value {
    let Some(place) = of else {
        let nowhere = json!({"altitude": null, "latitude": null, "longitude": null});
        return json!({"city": "", "state": "", "countryOrRegion": "", "geoCoordinates": nowhere});
    };
    json!({
        "city": place.city,
        "state": place.state,
        "countryOrRegion": place.country,
        "geoCoordinates": {"altitude": null, "latitude": place.latitude, "longitude": place.longitude},
    })
}

/// A notebook is the company's own, a telephone is not.
fn device(who: usize, notebook: bool, browser: bool) -> Value {
    let known = |text: String| if notebook { json!(text) } else { json!("") };
    json!({
        "deviceId": known(ids::guid_of(&format!("notebook of {}", PEOPLE[who].name))),
        "displayName": known(format!("NB-{:04}", 100 + who)),
        "operatingSystem": if notebook { company::system(who) } else { "Ios 18.7" },
        "browser": if browser { company::browser_name(who) } else { "" },
        "isCompliant": notebook,
        "isManaged": notebook,
        "trustType": known("Azure AD joined".to_owned()),
    })
}

fn put(scene: &mut Scene<'_>, of: SignIn) {
    let person: &Person = &PEOPLE[of.who];
    let category = if of.interactive { "SignInLogs" } else { "NonInteractiveUserSignInLogs" };
    let place = of.network.place;
    let mut record = around(scene, category, person.name, (&of.network.ip, place.country), of.error);
    let (id, token) = (ids::guid(&mut scene.rng), ids::small(&mut scene.rng, 22));
    let correlation = record["correlationId"].clone();
    let created = iso_offset(scene.at, scene.rng.draw());
    let risk = json!("none");
    let half_day = scene.at / (12 * HOUR);
    let kind = if of.interactive { "interactiveUser" } else { "nonInteractiveUser" };
    let notebook = !of.agent.contains("iPhone");
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
        "status": status(of.error, of.details),
        "clientAppUsed": of.client,
        "userAgent": of.agent,
        "deviceDetail": device(of.who, notebook, of.client == "Browser"),
        "location": location(Some(place)),
        "correlationId": correlation,
        "conditionalAccessStatus": if of.error.is_none() { "success" } else { "notApplied" },
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
    // of a managed identity nothing is known but that it is Azure's
    let (ip, system, place) = match name {
        _ if managed => (String::new(), 0, None),
        "vault-sync" => (NAT_AZURE.to_owned(), 64_500, None),
        _ => (delivery::runner(scene), 64_507, Some(&DUBLIN)),
    };
    let late = (700_024, "Client assertion is not within its valid time range.");
    let error = (name == "vault-sync" && scene.rng.chance(8)).then_some(late);
    let country = place.map_or("", |place| place.country);
    let mut record = around(scene, category, name, (&ip, country), error);
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
        "status": status(error, Value::Null),
        "clientAppUsed": "",
        "userAgent": "",
        "location": location(place),
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
