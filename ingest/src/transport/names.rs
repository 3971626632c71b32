//! Which names are those of logs: the same for files and for objects.

/// How the name of a log file in a folder ends, in any case.
pub const LOG_ENDINGS: &[&str] = &[".json", ".jsonl", ".ndjson", ".log", ".gz", ".zst"];

const ARCHIVE_ENDINGS: &[&str] = &[".tar.gz", ".tar.zst"];

/// The folder that holds signatures of CloudTrail's logs, and no events.
pub const DIGEST_FOLDER: &str = "CloudTrail-Digest";

/// Letters of the longest ending of a name that says what a file is, such as `.parquet`.
#[cfg(feature = "object-store")]
const LONGEST_ENDING: usize = 8;

/// Whether the name is that of a log file.
pub fn is_log(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    ends(LOG_ENDINGS) && !ends(ARCHIVE_ENDINGS)
}

/// Whether the key is that of a log object: as of a file, or without an ending, as Firehose writes them.
#[cfg(feature = "object-store")]
pub fn is_log_object(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    if name.is_empty() || name.starts_with('.') {
        return false;
    }
    let has_ending = name.rsplit_once('.').is_some_and(|(_, ending)| {
        ending.len() <= LONGEST_ENDING && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    is_log(name) || !has_ending
}

/// Whether a key lies in a folder of CloudTrail's digests.
#[cfg(feature = "object-store")]
pub fn is_digest(key: &str) -> bool {
    key.rsplit_once('/').is_some_and(|(folders, _)| folders.split('/').any(|folder| folder == DIGEST_FOLDER))
}

/// Whether a prefix ends in a folder of CloudTrail's digests.
#[cfg(feature = "object-store")]
pub fn is_digest_folder(prefix: &str) -> bool {
    prefix.trim_end_matches('/').rsplit('/').next() == Some(DIGEST_FOLDER)
}

#[cfg(all(test, feature = "object-store"))]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_by_their_keys() {
        for (key, log) in [
            ("a/x.json.gz", true),
            ("a/PT1H.JSON", true),
            ("firehose/2023/07/10/11/stream-1-2023-07-10-11-42-00-3f2a", true),
            ("a/my.stream-1-2023-07-10-11-42-00-3f2a", true),
            ("a/part-0.snappy.parquet", false),
            ("a/old.tar.gz", false),
            ("a/readme.md", false),
            ("a/.hidden", false),
            ("a/", false),
        ] {
            assert_eq!(is_log_object(key), log, "{key}");
        }
        assert!(is_digest("AWSLogs/1/CloudTrail-Digest/eu-west-1/2023/07/10/d.json.gz"));
        assert!(!is_digest("CloudTrail-Digest"));
    }
}
