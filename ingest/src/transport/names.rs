//! Which names are those of logs: the same for files and for objects.

/// How the name of a log file in a folder ends, in any case.
pub const LOG_ENDINGS: &[&str] = &[".json", ".jsonl", ".ndjson", ".log", ".gz", ".zst"];

const ARCHIVE_ENDINGS: &[&str] = &[".tar.gz", ".tar.zst"];

/// The folder that holds signatures of CloudTrail's logs, and no events.
const DIGEST_FOLDER: &str = "CloudTrail-Digest";

/// The folder of Bedrock's log of calls, and the folder below it for prompts and answers that are too large for it.
/// They are no events but parts of some, and read by themselves they would have no source, and so no redaction.
const BEDROCK_FOLDER: &str = "BedrockModelInvocationLogs";
const BEDROCK_BODIES: &str = "data";

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

/// Of each folder on a way down whether it lies among logs and holds none.
pub fn hold_no_logs<'n>(folders: impl Iterator<Item = &'n str>) -> impl Iterator<Item = bool> {
    let mut of_bedrock = false;
    folders.map(move |folder| {
        let holds_none = folder == DIGEST_FOLDER || (of_bedrock && folder == BEDROCK_BODIES);
        of_bedrock |= folder == BEDROCK_FOLDER;
        holds_none
    })
}

/// Whether a key lies in a folder that holds no logs.
#[cfg(feature = "object-store")]
pub fn is_beside_logs(key: &str) -> bool {
    key.rsplit_once('/')
        .is_some_and(|(folders, _)| hold_no_logs(folders.split('/')).any(|holds_none| holds_none))
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
        for (key, beside) in [
            ("AWSLogs/1/CloudTrail-Digest/eu-west-1/2023/07/10/d.json.gz", true),
            ("CloudTrail-Digest", false),
            ("p/AWSLogs/1/BedrockModelInvocationLogs/eu-west-1/2023/07/10/11/data/a_input.json.gz", true),
            ("p/AWSLogs/1/BedrockModelInvocationLogs/eu-west-1/2023/07/10/11/a.json.gz", false),
            ("data/AWSLogs/1/BedrockModelInvocationLogs/eu-west-1/a.json.gz", false),
            ("data/a.json.gz", false),
        ] {
            assert_eq!(is_beside_logs(key), beside, "{key}");
        }
    }
}
