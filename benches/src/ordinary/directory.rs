//! Entra ID: what changes in the directory.
//!
//! In: a moment. Out: records of the audit log as diagnostic settings deliver them. Most of them are made
//! by other systems: the personnel system, the management of devices. People join and leave groups,
//! register telephones, take a role for some hours, consent to an application that reads their profile.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Rhythm, day_of, iso_offset, iso_with};
use super::company::{self, ADMINS, AZURE_TERRAFORM, NEWCOMER, PEOPLE, TENANT};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "directory sync", share: 850, rhythm: Rhythm::Always(26), tell: sync },
    Habit { name: "directory", share: 300, rhythm: Rhythm::Work(10), tell: directory },
    Habit { name: "newcomer", share: 10, rhythm: Rhythm::Weekly(2, 7 * 60), tell: newcomer },
];

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
        self.by = json!({
            "user": {
                "id": person.id(),
                "displayName": null,
                "userPrincipalName": person.upn(),
                "ipAddress": ip,
                "roles": [],
            },
        });
        self.ip = Some(ip);
        self
    }

    fn by_app(mut self, name: &str) -> Self {
        let id = match name {
            "terraform" => AZURE_TERRAFORM.to_owned(),
            name => ids::guid_of(&format!("service principal {name}")),
        };
        self.by = json!({
            "app": {
                "appId": null,
                "displayName": name,
                "servicePrincipalId": id,
                "servicePrincipalName": null,
            },
        });
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
    json!({
        "id": id,
        "displayName": name,
        "type": kind,
        "userPrincipalName": upn,
        "groupType": null,
        "modifiedProperties": changed,
        "administrativeUnits": [],
    })
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

/// What other systems change in the directory, day and night.
fn sync(scene: &mut Scene<'_>) {
    if scene.rng.chance(650) { provisioning(scene) } else { devices(scene) }
}

/// What people change in it.
fn directory(scene: &mut Scene<'_>) {
    match scene.rng.below(100) {
        0..=39 => groups(scene),
        40..=67 => methods(scene),
        68..=87 => privileges(scene),
        88..=95 => consent(scene),
        96..=97 => renewed_secret(scene),
        _ => guests(scene),
    }
}

fn anybody(scene: &mut Scene<'_>) -> usize {
    company::one_of(0..PEOPLE.len(), scene.rng.below(PEOPLE.len() as u32) as usize, scene.at)
}

fn admin(scene: &mut Scene<'_>) -> usize {
    company::one_of(ADMINS, scene.rng.below(3) as usize, scene.at)
}

/// Every Wednesday new colleagues may start; in the second week one does.
fn newcomer(scene: &mut Scene<'_>) {
    let (who, day) = NEWCOMER;
    if day_of(scene.at) != day {
        provisioning(scene);
        return;
    }
    let created = [("AccountEnabled", Some("[]"), "[true]"), ("UserType", Some("[]"), "[\"Member\"]")];
    let add = Activity::of("Add user", "UserManagement", "Add").by_app("personnel-sync");
    audited(scene, add.on(vec![user(who, &created)]));
    for group in ["team-backend", "aws-developers", "wiki-editors"] {
        scene.pass(300, 2_000);
        let name = format!("\"{group}\"");
        let add = Activity::of("Add member to group", "GroupManagement", "Assign").by_app("personnel-sync");
        let change = [("Group.DisplayName", None, name.as_str())];
        audited(scene, add.on(vec![user(who, &change), target("Group", group, None, &[])]));
    }
    scene.pass(300, 2_000);
    let licence = Activity::of("Change user license", "UserManagement", "Update");
    audited(scene, licence.by_app("Microsoft Graph group licensing").on(vec![user(who, &[])]));
    scene.at += 40 * MINUTE;
    registered(scene, who);
}

/// The personnel system keeps names, departments and licences up to date.
fn provisioning(scene: &mut Scene<'_>) {
    let who = anybody(scene);
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
    let who = anybody(scene);
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
    let (who, group) = (anybody(scene), scene.pick(&GROUPS));
    let admin = admin(scene);
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
    let who = anybody(scene);
    if scene.rng.chance(550) {
        registered(scene, who);
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

/// Somebody registers a telephone as a second factor.
fn registered(scene: &mut Scene<'_>, who: usize) {
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
}

/// An administrator takes a role for some hours, with a reason.
fn privileges(scene: &mut Scene<'_>) {
    let who = admin(scene);
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

/// A secret of an application comes to its end and is renewed by Terraform.
fn renewed_secret(scene: &mut Scene<'_>) {
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
}

/// Somebody consents to an application that reads the own profile.
fn consent(scene: &mut Scene<'_>) {
    let who = anybody(scene);
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
    let who = company::one_of(6..25, scene.rng.below(19) as usize, scene.at);
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
