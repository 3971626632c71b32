//! Profiles of the AWS command line: `~/.aws/credentials` and `~/.aws/config`.
//!
//! In: the texts of both files and a profile's name. Out: what the profile says, with the profile that it
//! names as its source, as a chain of roles to assume. Only what concerns credentials and regions is read;
//! single sign-on and processes that print credentials are refused with a word on what to do instead.

use std::collections::BTreeMap;

/// One step to credentials, the first to be taken first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Keys that stand in the file.
    Keys {
        /// The access key's id.
        key_id: String,
        /// The secret key.
        secret_key: String,
        /// The session token, where the keys are temporary.
        token: Option<String>,
    },
    /// Credentials of this place, as the profile says: `Ec2InstanceMetadata`, `EcsContainer`, `Environment`.
    Place(String),
    /// A web identity's token.
    WebIdentity {
        /// The file that holds the token.
        token_file: String,
        /// The role.
        role_arn: String,
        /// The name of the session.
        session_name: Option<String>,
    },
    /// A role, assumed with what the steps before gave.
    Role {
        /// The role.
        role_arn: String,
        /// The secret that the role's owner asks for.
        external_id: Option<String>,
        /// The name of the session.
        session_name: Option<String>,
    },
}

/// What a profile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// How to come to credentials.
    pub steps: Vec<Step>,
    /// The region.
    pub region: Option<String>,
}

/// The sections of both files, by profile.
#[derive(Debug, Default)]
pub struct Profiles {
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

/// Profiles that name each other as their source: more than this is a circle.
const LONGEST_CHAIN: usize = 8;

impl Profiles {
    /// Reads `credentials` and `config`; of a key in both the one in `credentials` counts.
    pub fn parse(credentials: &str, config: &str) -> Self {
        let mut profiles = Self::default();
        profiles.read(config, |section| {
            section.strip_prefix("profile ").or((section == "default").then_some(section))
        });
        profiles.read(credentials, |section| Some(section));
        profiles
    }

    fn read(&mut self, text: &str, profile: impl Fn(&str) -> Option<&str>) {
        let mut current: Option<String> = None;
        for line in text.lines() {
            let line = line.trim_end();
            // indented lines belong to the setting above, which is none of ours
            if line.starts_with([' ', '\t', '#', ';']) || line.is_empty() {
                continue;
            }
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                current = profile(section.trim()).map(|name| name.trim().to_owned());
            } else if let (Some(current), Some((key, value))) = (&current, line.split_once('=')) {
                let value = value.split(" #").next().unwrap_or(value).trim();
                let section = self.sections.entry(current.clone()).or_default();
                section.insert(key.trim().to_lowercase(), value.to_owned());
            }
        }
    }

    /// Whether there is a profile of this name.
    pub fn has(&self, name: &str) -> bool {
        self.sections.contains_key(name)
    }

    /// What a profile says.
    pub fn profile(&self, name: &str) -> Result<Profile, String> {
        let mut steps = Vec::new();
        self.collect(name, 0, &mut steps)?;
        let region = self.sections.get(name).and_then(|section| section.get("region")).cloned();
        Ok(Profile { steps, region })
    }

    fn collect(&self, name: &str, depth: usize, steps: &mut Vec<Step>) -> Result<(), String> {
        let section = self.sections.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.sections.keys().map(String::as_str).collect();
            format!("there is no AWS profile `{name}`; there are: {}", known.join(", "))
        })?;
        if depth > LONGEST_CHAIN {
            return Err(format!("the AWS profile `{name}` is its own source"));
        }
        let get = |key: &str| section.get(key).filter(|value| !value.is_empty()).cloned();
        let role = get("role_arn");
        match (&role, get("web_identity_token_file"), get("source_profile"), get("credential_source")) {
            (Some(role_arn), Some(token_file), ..) => {
                let session_name = get("role_session_name");
                steps.push(Step::WebIdentity { token_file, role_arn: role_arn.clone(), session_name });
                return Ok(());
            }
            // a profile that is its own source has keys beside its role
            (Some(_), None, Some(source), _) if source == name => steps.push(keys(name, &get)?),
            (Some(_), None, Some(source), _) => self.collect(&source, depth + 1, steps)?,
            (Some(_), None, None, Some(place)) => steps.push(Step::Place(place)),
            (Some(_), None, None, None) => {
                return Err(format!(
                    "the AWS profile `{name}` has a role_arn and no source_profile or credential_source"
                ));
            }
            (None, ..) => steps.push(keys(name, &get)?),
        }
        if let Some(role_arn) = role {
            steps.push(Step::Role {
                role_arn,
                external_id: get("external_id"),
                session_name: get("role_session_name"),
            });
        }
        Ok(())
    }
}

fn keys(name: &str, get: &impl Fn(&str) -> Option<String>) -> Result<Step, String> {
    if let (Some(key_id), Some(secret_key)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
        return Ok(Step::Keys { key_id, secret_key, token: get("aws_session_token") });
    }
    let other =
        ["sso_session", "sso_start_url", "credential_process"].into_iter().find(|key| get(key).is_some());
    Err(match other {
        Some(key) => format!(
            "the AWS profile `{name}` uses {key}, which is not read here: \
             `eval \"$(aws configure export-credentials --profile {name} --format env)\"` gives its credentials"
        ),
        None => format!("the AWS profile `{name}` has no aws_access_key_id and aws_secret_access_key"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = AKID\naws_secret_access_key=secret/with=signs\n\n[temporary]\naws_access_key_id=ASIA\naws_secret_access_key=s\naws_session_token=t\n";
    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\ns3 =\n    max_concurrent_requests = 20\n[profile audit]\nrole_arn = arn:aws:iam::999988887777:role/Audit\nsource_profile = default\nexternal_id = shared-word\nregion = us-east-1 # theirs\n[profile deep]\nrole_arn = arn:aws:iam::111122223333:role/Deep\nsource_profile = audit\n[profile machine]\nrole_arn = arn:aws:iam::111122223333:role/M\ncredential_source = Ec2InstanceMetadata\n[profile pod]\nrole_arn = arn:aws:iam::111122223333:role/P\nweb_identity_token_file = /token\nrole_session_name = me\n[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n[profile sso]\nsso_start_url = https://example.com\n[profile bare]\nrole_arn = r\n[sso-session x]\nsso_region = y\n";

    fn steps(name: &str) -> String {
        match Profiles::parse(CREDENTIALS, CONFIG).profile(name) {
            Err(error) => format!("error: {error}"),
            Ok(profile) => {
                let shown = profile.steps.iter().map(|step| match step {
                    Step::Keys { key_id, secret_key, token } => {
                        format!("keys {key_id} {secret_key} {}", token.as_deref().unwrap_or("-"))
                    }
                    Step::Place(place) => format!("place {place}"),
                    Step::WebIdentity { token_file, role_arn, session_name } => {
                        format!("web {token_file} {role_arn} {}", session_name.as_deref().unwrap_or("-"))
                    }
                    Step::Role { role_arn, external_id, .. } => {
                        format!("role {role_arn} {}", external_id.as_deref().unwrap_or("-"))
                    }
                });
                shown.chain([profile.region.unwrap_or_else(|| "-".into())]).collect::<Vec<_>>().join("; ")
            }
        }
    }

    #[test]
    fn a_profile_is_a_chain_of_steps() {
        for (name, expected) in [
            ("default", "keys AKID secret/with=signs -; eu-west-1"),
            ("temporary", "keys ASIA s t; -"),
            (
                "audit",
                "keys AKID secret/with=signs -; role arn:aws:iam::999988887777:role/Audit shared-word; us-east-1",
            ),
            (
                "deep",
                "keys AKID secret/with=signs -; role arn:aws:iam::999988887777:role/Audit shared-word; role arn:aws:iam::111122223333:role/Deep -; -",
            ),
            ("machine", "place Ec2InstanceMetadata; role arn:aws:iam::111122223333:role/M -; -"),
            ("pod", "web /token arn:aws:iam::111122223333:role/P me; -"),
        ] {
            assert_eq!(steps(name), expected, "{name}");
        }
    }

    #[test]
    fn what_a_profile_does_not_give_is_said_with_what_to_do() {
        for (name, said) in [
            ("a", "its own source"),
            ("sso", "aws configure export-credentials"),
            ("bare", "no source_profile"),
            ("nobody", "there are: a, audit"),
        ] {
            assert!(steps(name).contains(said), "{name}: {}", steps(name));
        }
    }
}
