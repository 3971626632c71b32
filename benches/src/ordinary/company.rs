//! The company: who works there, from where, and what its operator would write into the lists.
//!
//! In: the number of a person and a moment. Out: that person's network then, which is the same in every
//! log: the office on some days, the home on others, the company's VPN now and then, a hotel on a journey.
//!
//! Addresses are those that documentation may use: the office 198.51.100.0/28, the company's own gateways
//! behind it in 198.51.100.64/28, the VPN and partners 192.0.2.0/24, homes 203.0.113.0/24. What belongs to
//! others (runners of a build service, hotels, telephones) comes from 198.18.0.0/15, which is set aside for
//! benchmarks and has the many networks that such things come from.

use super::calendar::{DAY, HOUR, Millis, day_of};
use super::ids;

/// Accounts: production, development, data.
pub const PROD: &str = "111122223333";
pub const DEV: &str = "444455556666";
pub const DATA: &str = "222233334444";

pub const REGION: &str = "eu-central-1";

pub const TENANT: &str = "6b1f0c83-52d7-4e9a-8f35-0a7c9be41d26";
pub const SUBSCRIPTION: &str = "9e40d7b2-1c6a-4f83-b5d9-73e8a2c0f614";
pub const AI_SUBSCRIPTION: &str = "2d85c6f1-ae37-49b0-8c14-f06b3d9e7a52";

pub const PROJECT: &str = "example-prod";
pub const DATA_PROJECT: &str = "example-data";

/// Addresses of the company's own gateways.
pub const OFFICE: [&str; 2] = ["198.51.100.2", "198.51.100.3"];
pub const VPN: [&str; 2] = ["192.0.2.10", "192.0.2.11"];
pub const NAT_PROD: &str = "198.51.100.65";
pub const NAT_DEV: &str = "198.51.100.66";
pub const NAT_DATA: &str = "198.51.100.67";
pub const NAT_AZURE: &str = "198.51.100.68";
pub const NAT_GCP: &str = "198.51.100.69";

/// Roles of programs, as the logs name them.
pub const ROLE_PLAN: &str = "arn:aws:iam::111122223333:role/ci-plan";
pub const ROLE_TERRAFORM: &str = "arn:aws:iam::111122223333:role/ci-terraform";
pub const ROLE_DEPLOY: &str = "arn:aws:iam::111122223333:role/ci-deploy";
pub const ROLE_RELEASE_MODELS: &str = "arn:aws:iam::222233334444:role/ml-model-release";
pub const ROLE_TRAINING: &str = "arn:aws:iam::222233334444:role/ml-training-job";
pub const ROLE_PIPELINE: &str = "arn:aws:iam::222233334444:role/ml-pipeline";
pub const ROLE_SCANNER: &str = "arn:aws:iam::222233334444:role/posture-scanner";
pub const ROLE_BACKUP: &str = "arn:aws:iam::222233334444:role/backup-runner";
pub const ROLE_ROTATION: &str = "arn:aws:iam::111122223333:role/secret-rotation";
pub const ROLE_SECRETS: &str = "arn:aws:iam::111122223333:role/external-secrets";
pub const ROLE_ASSISTANT: &str = "arn:aws:iam::111122223333:role/support-assistant";
pub const ROLE_SEARCH: &str = "arn:aws:iam::111122223333:role/contract-search";
pub const ROLE_SUMMARIES: &str = "arn:aws:iam::111122223333:role/nightly-summaries";
pub const ROLE_CONFIG: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig";

/// Principals of programs in Azure: object ids.
pub const AZURE_DEPLOYER: &str = "4fa1c7d0-83be-4d26-9e50-b7120c6fd398";
pub const AZURE_TERRAFORM: &str = "c03e9b75-6d12-48fa-a7c4-51f8e2067bd9";
pub const AZURE_SHOP: &str = "71d8f2a6-0b94-4ce3-85f1-3ac6de09b745";
pub const AZURE_WRITER: &str = "e8250bc4-97f1-4a6d-b03e-68d7f14c92a0";
pub const AZURE_VAULT_SYNC: &str = "15b6ea93-d40c-4f78-92a1-c7f05e38d6b4";
pub const AZURE_BACKUP: &str = "a6937de1-5f28-4b0c-8d74-e1092bc5f36a";

/// Service accounts of Google Cloud.
pub const GCP_TERRAFORM: &str = "terraform@example-prod.iam.gserviceaccount.com";
pub const GCP_DEPLOY: &str = "deployer@example-prod.iam.gserviceaccount.com";
pub const GCP_RANKER: &str = "search-ranker@example-prod.iam.gserviceaccount.com";
pub const GCP_CATALOGUE: &str = "catalogue@example-prod.iam.gserviceaccount.com";
pub const GCP_ANALYTICS: &str = "analytics-export@example-data.iam.gserviceaccount.com";
pub const GCP_TRAINER: &str = "trainer@example-data.iam.gserviceaccount.com";

/// What each list would hold, if the operator filled them all in.
pub fn lists() -> Vec<(&'static str, Vec<&'static str>)> {
    let own = [NAT_PROD, NAT_DEV, NAT_DATA, NAT_AZURE, NAT_GCP];
    vec![
        ("own_egress_ips", OFFICE.into_iter().chain(VPN).chain(own).collect()),
        (
            "trusted_accounts",
            vec![PROD, DEV, DATA, TENANT, SUBSCRIPTION, AI_SUBSCRIPTION, PROJECT, DATA_PROJECT],
        ),
        ("org_buckets", vec!["example-*"]),
        ("org_projects", vec![PROJECT, DATA_PROJECT]),
        ("log_buckets", vec!["example-org-trail", "example-bedrock-logs", "example-access-logs"]),
        (
            "training_buckets",
            vec!["s3://example-ml-training", "s3://example-ml-models", "gs://example-ml-datasets"],
        ),
        ("ml_jobs", vec![ROLE_TRAINING, ROLE_PIPELINE, GCP_TRAINER]),
        ("ml_deployers", vec![ROLE_RELEASE_MODELS]),
        (
            "deployers",
            vec![
                ROLE_PLAN,
                ROLE_TERRAFORM,
                ROLE_DEPLOY,
                AZURE_DEPLOYER,
                AZURE_TERRAFORM,
                GCP_TERRAFORM,
                GCP_DEPLOY,
            ],
        ),
        ("scanner_principals", vec![ROLE_SCANNER, ROLE_CONFIG]),
        (
            "ai_service_principals",
            vec![
                ROLE_ASSISTANT,
                ROLE_SEARCH,
                ROLE_SUMMARIES,
                AZURE_WRITER,
                AZURE_KEYED,
                GCP_RANKER,
                "order-desk",
            ],
        ),
        (
            "secret_sync_principals",
            vec![
                ROLE_SECRETS,
                ROLE_ROTATION,
                AZURE_VAULT_SYNC,
                "system:serviceaccount:external-secrets:external-secrets",
            ],
        ),
    ]
}

/// How callers with a key of the resource are named.
const AZURE_KEYED: &str = "apikey@/subscriptions/2d85c6f1-ae37-49b0-8c14-f06b3d9e7a52/resourcegroups/rg-ai/providers/microsoft.cognitiveservices/accounts/example-translate";

/// What somebody works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Team {
    Platform,
    Backend,
    Data,
    Web,
    Office,
}

/// Where an address is.
#[derive(Debug)]
pub struct Place {
    pub city: &'static str,
    pub state: &'static str,
    pub country: &'static str,
    pub latitude: f64,
    pub longitude: f64,
}

const fn place(city: &'static str, state: &'static str, country: &'static str, at: (f64, f64)) -> Place {
    Place { city, state, country, latitude: at.0, longitude: at.1 }
}

static LEIPZIG: Place = place("Leipzig", "Sachsen", "DE", (51.34, 12.37));
static DRESDEN: Place = place("Dresden", "Sachsen", "DE", (51.05, 13.74));
static HALLE: Place = place("Halle", "Sachsen-Anhalt", "DE", (51.48, 11.97));
static JENA: Place = place("Jena", "Thuringen", "DE", (50.93, 11.59));
static BERLIN: Place = place("Berlin", "Berlin", "DE", (52.52, 13.40));
static FRANKFURT: Place = place("Frankfurt Am Main", "Hessen", "DE", (50.11, 8.68));
static PRAGUE: Place = place("Prague", "Praha", "CZ", (50.08, 14.43));
static VIENNA: Place = place("Vienna", "Wien", "AT", (48.21, 16.37));
static BOSTON: Place = place("Boston", "Massachusetts", "US", (42.36, -71.06));
static LISBON: Place = place("Lisbon", "Lisboa", "PT", (38.72, -9.14));
static AMSTERDAM: Place = place("Amsterdam", "Noord-Holland", "NL", (52.37, 4.90));
static BARCELONA: Place = place("Barcelona", "Barcelona", "ES", (41.39, 2.17));

/// Where the programs of the build service and of the clouds run.
pub static DUBLIN: Place = place("Dublin", "Dublin", "IE", (53.35, -6.26));

/// Somebody who works there.
pub struct Person {
    pub name: &'static str,
    pub team: Team,
    home: &'static Place,
    /// Hours by which the day begins later than at the office.
    pub shift: i64,
}

const fn person(name: &'static str, team: Team, home: &'static Place) -> Person {
    Person { name, team, home, shift: 0 }
}

const fn far(name: &'static str, team: Team) -> Person {
    Person { name, team, home: &BOSTON, shift: 6 }
}

/// Engineers first, [`ENGINEERS`] of them.
pub static PEOPLE: [Person; 30] = [
    person("Mara Lindqvist", Team::Platform, &LEIPZIG),
    person("Tobias Renner", Team::Platform, &LEIPZIG),
    person("Ifeoma Adeyemi", Team::Platform, &BERLIN),
    person("Jonas Wiegand", Team::Platform, &DRESDEN),
    person("Elif Aksoy", Team::Platform, &LEIPZIG),
    person("Petr Havelka", Team::Platform, &PRAGUE),
    person("Lucia Ferrante", Team::Backend, &LEIPZIG),
    person("Henrik Solberg", Team::Backend, &BERLIN),
    person("Anouk Delattre", Team::Backend, &LEIPZIG),
    person("Marek Zielony", Team::Backend, &LEIPZIG),
    person("Sunniva Holm", Team::Backend, &HALLE),
    person("Dario Bellucci", Team::Backend, &LEIPZIG),
    person("Yuna Takeda", Team::Backend, &JENA),
    person("Oskar Brandl", Team::Backend, &LEIPZIG),
    person("Clara Weidmann", Team::Backend, &VIENNA),
    far("Rafael Quintana", Team::Backend),
    person("Greta Hollmann", Team::Data, &LEIPZIG),
    person("Amir Rostami", Team::Data, &LEIPZIG),
    person("Viktor Salmi", Team::Data, &BERLIN),
    person("Noemi Castellan", Team::Data, &DRESDEN),
    person("Bastian Kehr", Team::Data, &LEIPZIG),
    far("Priya Raman", Team::Web),
    person("Felix Ostrander", Team::Web, &LEIPZIG),
    person("Jule Sanders", Team::Web, &LEIPZIG),
    far("Owen Hartigan", Team::Web),
    person("Sabine Rothe", Team::Office, &LEIPZIG),
    person("Carsten Uhl", Team::Office, &LEIPZIG),
    person("Helene Marquart", Team::Office, &HALLE),
    person("Milan Kostic", Team::Office, &LEIPZIG),
    person("Dagmar Feld", Team::Office, &LEIPZIG),
];

pub const ENGINEERS: usize = 25;

/// Who tries models out.
pub const EXPERIMENTERS: [usize; 3] = [16, 17, 20];

/// Who came in the second week, and on which day.
pub const NEWCOMER: (usize, i64) = (13, 9);

/// Whether somebody works there and is not on holiday: of twelve one in each week.
fn is_there(who: usize, at: Millis) -> bool {
    let day = day_of(at);
    let hired = who != NEWCOMER.0 || day >= NEWCOMER.1;
    hired && who as i64 % 12 != day / 7
}

/// One of some people who is there at a moment: the one at a place, or the next.
pub fn one_of(some: impl IntoIterator<Item = usize>, place: usize, at: Millis) -> usize {
    let some: Vec<usize> = some.into_iter().collect();
    let from_place = some.iter().cycle().skip(place % some.len()).take(some.len());
    from_place.copied().find(|who| is_there(*who, at)).unwrap_or(some[0])
}

/// Who administers the directory and the subscriptions.
pub const ADMINS: [usize; 3] = [0, 1, 28];

/// Journeys: who, from which day to which, whereto.
static JOURNEYS: [(usize, i64, i64, &Place); 4] =
    [(7, 8, 10, &LISBON), (11, 15, 17, &AMSTERDAM), (19, 22, 24, &BARCELONA), (2, 22, 25, &BOSTON)];

impl Person {
    pub fn upn(&self) -> String {
        format!("{}@example.com", self.name.to_lowercase().replace(' ', "."))
    }

    /// The object id in the directory.
    pub fn id(&self) -> String {
        ids::guid_of(self.name)
    }
}

/// From where somebody works.
pub struct Network {
    pub ip: String,
    pub place: &'static Place,
    /// The number of the autonomous system, one of those for documentation.
    pub system: u32,
}

/// Where a person's notebook is at a moment. It asks no seed: all logs of all runs agree.
pub fn whereabouts(who: usize, at: Millis) -> Network {
    let day = day_of(at);
    let half = (at.rem_euclid(DAY)) / (12 * HOUR);
    let mut luck = ids::of(&format!("network of {who} on {day}.{half}"));
    let away = JOURNEYS.iter().find(|(person, from, to, _)| *person == who && (*from..=*to).contains(&day));
    if let Some((_, _, _, place)) = away {
        return Network { ip: format!("198.18.{}.{}", 200 + who, 20 + day), place, system: 64_505 };
    }
    let person = &PEOPLE[who % PEOPLE.len()];
    let near = [&LEIPZIG, &HALLE, &JENA].iter().any(|place| place.city == person.home.city);
    let mut today = ids::of(&format!("desk of {who} on {day}"));
    if near && today.chance(550) {
        return Network { ip: OFFICE[luck.below(2) as usize].to_owned(), place: &LEIPZIG, system: 64_496 };
    }
    if luck.chance(220) {
        return Network { ip: VPN[luck.below(2) as usize].to_owned(), place: &FRANKFURT, system: 64_497 };
    }
    // some providers give their customers another address now and then
    let moved = i64::from(who % 5 == 3 && day >= 15);
    let system = if who.is_multiple_of(2) { 64_498 } else { 64_499 };
    Network { ip: format!("203.0.113.{}", 11 + 7 * who as i64 + moved), place: person.home, system }
}

/// Where a person's telephone is: behind a gateway of its carrier, which is not where the person is.
pub fn telephone(who: usize, at: Millis) -> Network {
    let mut luck = ids::of(&format!("telephone of {who} on {}", day_of(at)));
    let place = if PEOPLE[who % PEOPLE.len()].shift > 0 { &BOSTON } else { &BERLIN };
    let ip = format!("198.19.{}.{}", 40 + luck.below(6), 1 + luck.below(250));
    Network { ip, place, system: 64_510 }
}

const BROWSERS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.2 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36 Edg/144.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
];

/// A person's browser: the same for weeks.
pub fn browser(who: usize) -> &'static str {
    BROWSERS[who % BROWSERS.len()]
}

/// Its name, as sign-ins have it.
pub fn browser_name(who: usize) -> &'static str {
    let names = [
        "Chrome 144.0.0",
        "Chrome 144.0.0",
        "Firefox 147.0",
        "Safari 26.2",
        "Edge 144.0.0",
        "Chrome 144.0.0",
    ];
    names[who % BROWSERS.len()]
}

/// The operating system that goes with it, as sign-ins name it.
pub fn system(who: usize) -> &'static str {
    ["Windows10", "MacOs", "Linux", "MacOs", "Windows10", "Linux"][who % BROWSERS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ordinary::calendar::START;
    use std::collections::HashSet;

    #[test]
    fn everybody_has_a_name_and_a_home_of_their_own() {
        let names: HashSet<_> = PEOPLE.iter().map(Person::upn).collect();
        assert_eq!(names.len(), PEOPLE.len());
        let homes = (0..PEOPLE.len())
            .flat_map(|who| (0..28).map(move |day| (who, whereabouts(who, START + day * DAY + 9 * HOUR).ip)));
        let homes: Vec<_> = homes.filter(|(_, ip)| ip.starts_with("203.0.113.")).collect();
        for (who, ip) in &homes {
            assert!(homes.iter().all(|(other, same)| same != ip || other == who), "{ip} of {who}");
        }
    }

    #[test]
    fn each_list_stands_once() {
        let names: HashSet<_> = lists().iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), 12);
    }
}
