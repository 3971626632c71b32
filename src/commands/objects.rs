//! Arguments of commands that read object stores, and the inputs that they make.
//!
//! In: what a user names beside the address of a prefix. Out: an iterator of inputs. A build without object
//! stores takes the same addresses and says that it cannot read them.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use virga_ingest::transport::{Input, InputError, Progress};

#[cfg(feature = "objects")]
use virga_ingest::transport::object_store::{ObjectInputs, ObjectUrl, Selection, StoreSettings};

/// Arguments that say which objects, and how to reach their store.
#[derive(clap::Args, Clone, Default)]
pub struct ObjectArgs {
    /// Read only objects of this account or subscription, where their keys tell it; may be given several
    /// times.
    #[arg(long, value_name = "ID", help_heading = "Object stores")]
    pub account: Vec<String>,
    /// Read only objects of this region, where their keys tell it; may be given several times.
    #[arg(long, value_name = "REGION", help_heading = "Object stores")]
    pub region: Vec<String>,
    /// The store's address, where it is not the provider's own. [env: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", help_heading = "Object stores")]
    pub endpoint: Option<String>,
    /// The region of the bucket. [env: AWS_REGION] [default: asked of S3]
    #[arg(long, value_name = "REGION", help_heading = "Object stores")]
    pub bucket_region: Option<String>,
    /// The profile of the AWS command line. [env: AWS_PROFILE]
    #[arg(long, value_name = "NAME", help_heading = "Object stores")]
    pub profile: Option<String>,
    /// A role to assume with the credentials that are found.
    #[arg(long, value_name = "ARN", help_heading = "Object stores")]
    pub role_arn: Option<String>,
    /// The external id that the role's owner asks for.
    #[arg(long, value_name = "TEXT", help_heading = "Object stores", requires = "role_arn")]
    pub external_id: Option<String>,
    /// Do not sign requests: for buckets that anybody may read.
    #[arg(long, help_heading = "Object stores", conflicts_with_all = ["profile", "role_arn"])]
    pub anonymous: bool,
    /// A proxy for the store. [env: HTTPS_PROXY]
    #[arg(long, value_name = "URL", help_heading = "Object stores")]
    pub proxy: Option<String>,
    /// Certificates (PEM) to trust besides the system's. [env: AWS_CA_BUNDLE]
    #[arg(long, value_name = "FILE", help_heading = "Object stores")]
    pub ca_file: Option<std::path::PathBuf>,
}

/// What was not read of object stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Objects whose names are not those of logs.
    pub passed_over: u64,
    /// Folders in which nothing was asked for.
    pub folders: u64,
    /// Objects that were left because of their keys.
    pub objects: u64,
}

/// Whether the text is the address of an object store.
pub fn is_address(path: &Path) -> bool {
    const SCHEMES: [&str; 7] = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss"];
    let scheme =
        path.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme.to_lowercase());
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str()))
}

type Inputs<'a> = Box<dyn Iterator<Item = Result<Input, InputError>> + 'a>;

/// The inputs of an address; one error where it cannot be read.
pub fn inputs<'a>(
    path: &Path,
    args: &ObjectArgs,
    window: (Option<i64>, Option<i64>),
    progress: &Progress,
    left: &Rc<Cell<Left>>,
) -> Inputs<'a> {
    let shown = path.display().to_string();
    match open(&shown, args, window, progress, left) {
        Ok(inputs) => inputs,
        Err(cause) => Box::new(std::iter::once(Err(InputError { path: shown, cause }))),
    }
}

#[cfg(feature = "objects")]
fn open<'a>(
    address: &str,
    args: &ObjectArgs,
    (from, to): (Option<i64>, Option<i64>),
    progress: &Progress,
    left: &Rc<Cell<Left>>,
) -> Result<Inputs<'a>, String> {
    let url = ObjectUrl::parse(address).ok_or("it is no address of an object store")??;
    let selection = Selection { from, to, accounts: args.account.clone(), regions: args.region.clone() };
    let inner = ObjectInputs::new(url, &selection, &args.settings(address), progress)?;
    Ok(Box::new(Tallied { inner, left: Rc::clone(left) }))
}

#[cfg(not(feature = "objects"))]
fn open<'a>(
    _: &str,
    _: &ObjectArgs,
    _: (Option<i64>, Option<i64>),
    _: &Progress,
    _: &Rc<Cell<Left>>,
) -> Result<Inputs<'a>, String> {
    Err("this virga was built without object stores (cargo feature `lake` or `daemon`)".into())
}

/// Whether the text is the address of objects in S3.
fn is_of_s3(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("s3") || scheme.eq_ignore_ascii_case("s3a"))
}

impl ObjectArgs {
    /// Whether each option is said of one of the inputs: one command may read stores of several kinds, and what is said of
    /// S3 goes to those of S3.
    ///
    /// # Errors
    /// The option that no input is for.
    pub fn prove(&self, inputs: &[PathBuf]) -> Result<(), String> {
        let mut addresses = inputs.iter().filter(|path| is_address(path)).peekable();
        if addresses.peek().is_none() || addresses.any(|path| path.to_str().is_some_and(is_of_s3)) {
            return Ok(());
        }
        let said = [
            ("--bucket-region", &self.bucket_region),
            ("--profile", &self.profile),
            ("--role-arn", &self.role_arn),
            ("--external-id", &self.external_id),
        ];
        match said.iter().find(|(_, said)| said.is_some()) {
            Some((option, _)) => Err(format!("`{option}` is said of stores of S3, and no input is in one")),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "objects")]
impl ObjectArgs {
    /// What is said of the store of this address.
    pub fn settings(&self, address: &str) -> StoreSettings {
        use virga_ingest::transport::object_store::CredentialSource;
        let of_s3 = |said: &Option<String>| said.clone().filter(|_| is_of_s3(address));
        StoreSettings {
            region: of_s3(&self.bucket_region),
            endpoint: self.endpoint.clone(),
            credentials: if self.anonymous { CredentialSource::None } else { CredentialSource::Auto },
            profile: of_s3(&self.profile),
            role_arn: of_s3(&self.role_arn),
            external_id: of_s3(&self.external_id),
            proxy: self.proxy.clone(),
            ca_file: self.ca_file.clone(),
            ..StoreSettings::default()
        }
    }
}

/// Objects, and what was left of them told at the end.
#[cfg(feature = "objects")]
struct Tallied {
    inner: ObjectInputs,
    left: Rc<Cell<Left>>,
}

#[cfg(feature = "objects")]
impl Iterator for Tallied {
    type Item = Result<Input, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.inner.next()
    }
}

#[cfg(feature = "objects")]
impl Drop for Tallied {
    fn drop(&mut self) {
        let (counts, so_far) = (self.inner.counts(), self.left.get());
        self.left.set(Left {
            passed_over: so_far.passed_over + counts.passed_over,
            folders: so_far.folders + counts.folders_left,
            objects: so_far.objects + counts.objects_left,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> [(&'static str, ObjectArgs); 3] {
        let said = |text: &str| Some(text.to_owned());
        [
            ("", ObjectArgs { endpoint: said("http://127.0.0.1:1"), ..ObjectArgs::default() }),
            ("--bucket-region", ObjectArgs { bucket_region: said("eu-west-1"), ..ObjectArgs::default() }),
            ("--profile", ObjectArgs { profile: said("audit"), ..ObjectArgs::default() }),
        ]
    }

    #[test]
    fn an_option_of_s3_that_no_input_is_for_is_refused_by_its_name() {
        for (inputs, is_refused) in [
            (vec!["s3://b/x"], false),
            (vec!["S3A://b/x"], false),
            (vec!["s3://b/x", "gs://b/x"], false),
            (vec!["az://c/x", "logs/", "s3://b/x"], false),
            (vec!["logs/", "-"], false),
            (vec!["gs://b/x"], true),
            (vec!["logs/", "az://c/x"], true),
        ] {
            let paths: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
            for (option, args) in args() {
                let refused = args.prove(&paths).err();
                assert_eq!(refused.is_some(), is_refused && !option.is_empty(), "{inputs:?} {option}");
                assert!(refused.is_none_or(|cause| cause.contains(option)), "{inputs:?} {option}");
            }
        }
    }

    #[cfg(feature = "objects")]
    #[test]
    fn what_is_said_of_s3_goes_to_stores_of_s3() {
        for (address, is_s3) in
            [("s3://b/x", true), ("s3a://b", true), ("gs://b/x", false), ("az://c", false)]
        {
            let [endpoint, region, profile] = args().map(|(_, args)| args.settings(address));
            assert!(endpoint.endpoint.is_some(), "{address}");
            assert_eq!(region.region.is_some(), is_s3, "{address}");
            assert_eq!(profile.profile.is_some(), is_s3, "{address}");
        }
    }
}
