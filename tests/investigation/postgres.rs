//! PostgreSQL's protocol, with the real psql and with psycopg.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use virga_test_support::workspace;

use crate::lake::{Lake, err, out, virga};

/// A server that ends with its test.
struct Server {
    child: Child,
    port: String,
    password: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn of(lake: &Lake, args: &[&str], password: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
        command
            .args(["query", "--archive", &lake.url(), "--listen", "localhost:0"])
            .args(args)
            .env_remove("VIRGA_SQL_PASSWORD")
            .current_dir(workspace())
            .stderr(Stdio::piped());
        if let Some(password) = password {
            command.env("VIRGA_SQL_PASSWORD", password);
        }
        let mut child = command.spawn().expect("a server");
        let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
        let mut port = String::new();
        let mut made_up = None;
        while port.is_empty() || (password.is_none() && made_up.is_none()) {
            let line = lines.next().expect("it goes on talking").expect("a line");
            if let Some(rest) = line.split("answering at 127.0.0.1:").nth(1) {
                port = rest.chars().take_while(char::is_ascii_digit).collect();
            }
            if let Some(text) = line.strip_prefix("the password, until it ends: ") {
                made_up = Some(text.to_owned());
            }
        }
        // what it says later must not fill the pipe
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port, password: password.map(str::to_owned).or(made_up).expect("a password") }
    }

    fn psql(&self, password: &str, sql: &str) -> Output {
        self.asking(password, sql).output().expect("psql runs")
    }

    fn asking(&self, password: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-h", "127.0.0.1", "-p", &self.port, "-U", "virga", "-d", "virga", "-At", "-c", sql])
            .env("PGPASSWORD", password)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Time that it has computed so far, in ticks of a hundredth of a second.
    fn computed(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    }
}

#[test]
fn whoever_there_is_no_room_for_is_told_so() {
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let server = Server::of(&lake, &[], Some("a secret"));
    let connect = || TcpStream::connect(format!("127.0.0.1:{}", server.port)).expect("a connection");
    // a message of version 3.0 that names the user: what is answered, up to where the server waits or hangs up
    let begin = |mut socket: TcpStream| {
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("it takes a timeout");
        socket.write_all(b"\0\0\0\x14\0\x03\0\0user\0virga\0\0").expect("it is sent");
        let mut answer = vec![0; 4_096];
        let length = socket.read(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let held: Vec<TcpStream> = (0..32).map(|_| connect()).collect();
    let told = begin(connect());
    assert!(told.starts_with('E'), "{told:?}");
    for word in ["FATAL", "53300", "too many connections"] {
        assert!(told.contains(word), "{told:?}");
    }
    drop(held);
    let since = Instant::now();
    while !begin(connect()).contains("SCRAM") {
        assert!(since.elapsed() < Duration::from_secs(20), "there is room again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Adds up for an hour.
const ENDLESS: &str =
    "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 10000000) b";

fn has_psql() -> bool {
    let found = Command::new("psql").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: no psql (Debian: postgresql-client)");
    }
    found
}

#[test]
fn psql_reads_and_cannot_write() {
    if !has_psql() {
        return;
    }
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let server = Server::of(&lake, &["--time", "5", "--memory", "64"], Some("a secret"));
    let ask = |sql: &str| server.psql("a secret", sql);
    let counted = ask("SELECT count(*) FROM events");
    assert_eq!(out(&counted).trim(), lake.events.to_string(), "{}", err(&counted));
    let wrong = server.psql("another", "SELECT 1");
    assert!(
        !wrong.status.success() && err(&wrong).contains("Password authentication failed for user \"virga\""),
        "{}",
        err(&wrong)
    );
    let listed = ask("\\d");
    for table in ["events", "alerts", "coverage", "rules", "ocsf"] {
        assert!(out(&listed).contains(&format!("|{table}|")), "{table}: {}{}", out(&listed), err(&listed));
    }
    let columns = ask("\\d events");
    assert!(out(&columns).contains("credential_id|text"), "{}{}", out(&columns), err(&columns));
    // what psql and Grafana ask before they ask of the tables
    for (sql, word) in [
        ("\\d+ events", "credential_id"),
        ("\\dt+", "events"),
        ("\\dv+", "ocsf"),
        ("\\df", ""),
        ("\\du", ""),
        ("\\dT", ""),
        ("\\dD", ""),
        ("\\db", ""),
        ("\\dn+", "public"),
        ("\\dp events", "events"),
        ("SHOW server_version", "16.6"),
        ("SHOW transaction isolation level", "read committed"),
        ("SHOW ALL", "server_version|16.6"),
        ("SET TIME ZONE 'UTC'", "SET"),
        ("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL", "RESET"),
        // what is asked of events is answered as it stands
        (
            "SELECT count(*) FROM (SELECT (SELECT max(time) FROM events e WHERE e.source = o.source) AS last
             FROM (SELECT DISTINCT source FROM events) o) WHERE last IS NULL",
            "0",
        ),
        ("SELECT 'aws.cloudtrail' = ANY('{\"aws.cloudtrail\",x}'), 2 = ANY('{\"1\",NULL,2}'::int[])", "t|t"),
        ("SELECT current_setting('server_version_num')::int/100", "1600"),
        ("SELECT current_setting('none such', true) IS NULL", "t"),
        ("SELECT pg_size_pretty(20000)", "19 kB"),
        ("SHOW TABLES", "events"),
    ] {
        let told = ask(sql);
        assert!(told.status.success() && err(&told).is_empty(), "{sql}: {}", err(&told));
        assert!(out(&told).contains(word), "{sql}: {}", out(&told));
    }
    let types =
        ask("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'events'");
    for line in
        ["source|text", "event_id|text", "time|timestamp with time zone", "line|bigint", "grants|ARRAY"]
    {
        assert!(out(&types).lines().any(|one| one == line), "{line}: {}{}", out(&types), err(&types));
    }
    for sql in [
        "INSERT INTO rules (id) VALUES ('x')",
        "DELETE FROM events",
        "UPDATE events SET action = 'x'",
        "CREATE TABLE t (a int)",
        "DROP TABLE events",
        "COPY events TO STDOUT",
        "SET datafusion.execution.batch_size = 1",
        "SET timezone = 'Asia/Tokyo'",
        "DECLARE c CURSOR FOR SELECT 1",
        "SELECT 1 AS a INTO made",
        "(SELECT 1 AS a INTO made)",
        "WITH x AS (SELECT 1 AS a) SELECT a INTO made FROM x",
        "SELECT * FROM (SELECT 1 AS a INTO made) s",
        "EXPLAIN ANALYZE SELECT 1 AS a INTO made",
    ] {
        let refused = ask(sql);
        assert!(!refused.status.success(), "{sql}: {}", out(&refused));
        assert!(err(&refused).contains("the archive is only read here"), "{sql}: {}", err(&refused));
    }
    let made = ask("SELECT * FROM made");
    assert!(err(&made).contains("not found"), "{}{}", out(&made), err(&made));
    let mixed =
        "SELECT raw->'eventName', json_get(raw, 'userIdentity'), raw->'nothing', raw->>'eventName' AS name
        FROM events WHERE source = 'aws.cloudtrail' ORDER BY time LIMIT 1";
    let shown = out(&ask(mixed));
    let cells: Vec<&str> = shown.trim().split('|').collect();
    assert!(
        matches!(cells[..], [a, b, "", d] if a == d && b.starts_with("{\"")),
        "{shown}{}",
        err(&ask(mixed))
    );
    let matched = ask("SELECT count(*) > 0 FROM events WHERE sigma_match('title: t
logsource: {product: aws, service: cloudtrail}
detection:
  s: {eventName: InvokeModel}
  condition: s', source, raw)");
    assert!(matched.status.success(), "{}", err(&matched));
    for sql in ["SHOW none_such", "SELECT (SELECT source FROM (VALUES ('a'), ('b')) v(source))"] {
        let refused = ask(sql);
        assert!(!refused.status.success(), "{sql}: {}", out(&refused));
    }
    let file = ask("SELECT 1 FROM events WHERE sigma_match('/etc/passwd.yml', source, raw)");
    assert!(err(&file).contains("files are not read"), "{}", err(&file));
    let long = ask(ENDLESS);
    assert!(err(&long).contains("takes longer than 5s"), "{}{}", out(&long), err(&long));
    let nowhere = ask("SELECT wrong FROM events");
    assert!(err(&nowhere).contains("wrong"), "{}", err(&nowhere));
    assert_eq!(out(&ask("SELECT count(*) FROM events")).trim(), lake.events.to_string());
}

#[test]
fn a_query_ends_when_its_client_cancels_it_or_has_gone() {
    if !has_psql() {
        return;
    }
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let server = Server::of(&lake, &[], Some("a secret"));
    let begun = |sql: &str| {
        let child = server.asking("a secret", sql).spawn().expect("psql runs");
        std::thread::sleep(Duration::from_millis(1_500));
        child
    };
    let waiting = begun(ENDLESS);
    let since = Instant::now();
    let interrupted = Command::new("kill").args(["-INT", &waiting.id().to_string()]).status();
    assert!(interrupted.is_ok_and(|status| status.success()));
    let told = waiting.wait_with_output().expect("psql ends");
    assert!(err(&told).contains("canceling statement due to user request"), "{}", err(&told));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    // and the connection that goes on after a cancel is as good as before
    let counted = server.psql("a secret", "SELECT count(*) FROM events");
    assert_eq!(out(&counted).trim(), lake.events.to_string(), "{}", err(&counted));

    let mut killed = begun(ENDLESS);
    killed.kill().expect("psql is killed");
    killed.wait().expect("psql has ended");
    std::thread::sleep(Duration::from_secs(2));
    let Some(before) = server.computed() else { return };
    std::thread::sleep(Duration::from_secs(2));
    let ticks = server.computed().expect("its ticks") - before;
    assert!(ticks < 50, "it goes on computing for nobody: {ticks} ticks in two seconds");
}

#[test]
fn a_client_says_how_long_it_waits() {
    if !has_psql() {
        return;
    }
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let server = Server::of(&lake, &["--time", "60"], Some("a secret"));
    let mut psql = server.asking("a secret", "SET statement_timeout = '1s'");
    let since = Instant::now();
    let told = psql.args(["-c", ENDLESS, "-c", "SHOW statement_timeout"]).output().expect("psql runs");
    assert!(err(&told).contains("takes longer than 1s, the statement_timeout"), "{}", err(&told));
    assert!(out(&told).contains("1000ms"), "{}", out(&told));
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    // as a pool leaves the connection to whoever comes next
    for end in ["DISCARD ALL", "RESET ALL", "RESET statement_timeout"] {
        let mut psql = server.asking("a secret", "SET statement_timeout = '1s'");
        let after = psql.args(["-c", end, "-c", "SHOW statement_timeout"]).output().expect("psql runs");
        assert!(
            after.status.success() && !out(&after).contains("1000ms"),
            "{end}: {}{}",
            out(&after),
            err(&after)
        );
    }
    // for a transaction, and for one that is undone
    for (ends, expected) in [
        (["BEGIN", "SET LOCAL statement_timeout = '1s'", "COMMIT"], "0"),
        (["BEGIN", "SET statement_timeout = '1s'", "ROLLBACK"], "0"),
        (["BEGIN", "SET statement_timeout = '1s'", "COMMIT"], "1000ms"),
        (["SELECT 1", "SET LOCAL statement_timeout = '1s'", "SELECT 1"], "0"),
    ] {
        let mut psql = server.asking("a secret", "SELECT 1");
        let after = psql.args(ends.iter().flat_map(|sql| ["-c", sql])).args(["-c", "SHOW statement_timeout"]);
        let after = after.output().expect("psql runs");
        assert_eq!(out(&after).lines().last(), Some(expected), "{ends:?}: {}", err(&after));
    }
    // when it connects; many rows of which none passes are no reason to listen to nobody
    let joined =
        "SELECT count(*) FROM events a, events b, events c WHERE a.raw || b.raw || c.raw LIKE '%none%such'";
    let mut psql = server.asking("a secret", joined);
    let since = Instant::now();
    let told =
        psql.env("PGOPTIONS", "-c search_path=public -c statement_timeout=1s").output().expect("psql runs");
    assert!(err(&told).contains("takes longer than 1s, the statement_timeout"), "{}", err(&told));
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let mut psql = server.asking("a secret", "RESET ALL");
    let psql = psql.args(["-c", "SHOW statement_timeout"]).env("PGOPTIONS", "-c statement_timeout=7s");
    let reset = psql.output().expect("psql runs");
    assert!(out(&reset).contains("7000ms"), "{}{}", out(&reset), err(&reset));
    let mut psql = server.asking("a secret", "SELECT 1");
    let refused = psql.env("PGOPTIONS", "-c statement_timeout=soon").output().expect("psql runs");
    assert!(err(&refused).contains("statement_timeout takes no such value"), "{}", err(&refused));
    let soon = server.psql("a secret", "SET statement_timeout = 'soon'");
    assert!(err(&soon).contains("statement_timeout takes no such value"), "{}", err(&soon));
}

#[test]
fn a_list_that_somebody_pastes_does_not_end_the_server() {
    if !has_psql() {
        return;
    }
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let server = Server::of(&lake, &[], Some("a secret"));
    let one = |number: usize| match number % 2 {
        0 => format!("principal = 'nobody {number}'"),
        _ => format!("src_ip LIKE '%nowhere {number}%'"),
    };
    let pasted = (0..2_500).map(one).collect::<Vec<_>>().join(" OR ");
    let told = server.psql("a secret", &format!("SELECT count(*) FROM events WHERE {pasted}"));
    assert_eq!(out(&told).trim(), "0", "{}", err(&told));
    // what nobody could read in time is refused before it is read
    let brackets = format!("SELECT {}1{}", "not (".repeat(40), ")".repeat(40));
    let sum = format!("SELECT {}", vec!["1"; 15_000].join("+"));
    for (sql, words) in [(&brackets, "brackets stand 40 deep"), (&sum, "joins 14999 values")] {
        let refused = server.psql("a secret", sql);
        assert!(err(&refused).contains(words), "{}", err(&refused));
    }
    let all = server.psql("a secret", "SELECT count(*) FROM events");
    assert_eq!(out(&all).trim(), lake.events.to_string(), "{}", err(&all));
}

#[test]
fn a_password_is_made_up_on_this_machine_and_must_be_chosen_beyond_it() {
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let refused = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["query", "--archive", &lake.url(), "--listen", "0.0.0.0:0"])
        .env_remove("VIRGA_SQL_PASSWORD")
        .current_dir(workspace())
        .output()
        .expect("virga runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("a password is needed"), "{}", err(&refused));
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let path = empty.path().display().to_string();
    let output =
        virga(&["query", "--archive", &lake.url(), "--listen", "127.0.0.1:0", "--password-file", &path]);
    assert!(err(&output).contains("it is empty"), "{}", err(&output));
    if !has_psql() {
        return;
    }
    let server = Server::of(&lake, &[], None);
    assert!(server.password.len() >= 16);
    let asked = server.psql(&server.password, "SELECT 1");
    assert_eq!(out(&asked).trim(), "1", "{}", err(&asked));
    assert!(!server.psql("", "SELECT 1").status.success());
}

/// What psycopg does: prepared statements, a refused write, queries at once, types.
const SCRIPT: &str = r#"
import sys, threading, datetime, decimal, ipaddress, uuid, time as time_module
import psycopg
port, password, events, endless = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
def connect(secret=password):
    return psycopg.connect(host="127.0.0.1", port=port, user="virga", dbname="virga", password=secret, autocommit=True)
try:
    connect("wrong")
    sys.exit("a wrong password was taken")
except psycopg.OperationalError as error:
    assert "assword" in str(error), error
with connect() as connection:
    by = "SELECT count(*) FROM events WHERE credential_id = %s"
    counts = [connection.execute(by, ("AKIAIOSFODNN7EXAMPLE",), prepare=True).fetchone()[0] for _ in range(3)]
    assert counts == [84] * 3, counts
    assert connection.execute(by, ("nobody",), prepare=True).fetchone()[0] == 0
    time, tokens = connection.execute("SELECT max(time), sum(tokens_out) FROM events").fetchone()
    assert isinstance(time, datetime.datetime) and time.tzinfo is not None, time
    assert int(tokens) > 0, tokens
    for sql in ["INSERT INTO rules (id) VALUES ('x')", "CREATE TABLE t AS SELECT 1", "SET datafusion.execution.batch_size = 1",
                "SELECT 1 AS a INTO made", "(SELECT 1 AS a INTO made)", "WITH x AS (SELECT 1 AS a) SELECT a INTO made FROM x"]:
        for prepare in [False, True]:
            try:
                connection.execute(sql, prepare=prepare)
                sys.exit("taken: " + sql)
            except psycopg.Error as error:
                assert error.sqlstate == "25006", (error.sqlstate, error)
    def one(sql, *values):
        return [connection.execute(sql, values, prepare=prepare).fetchone()[0] for prepare in [False, True]]
    an_id = connection.execute("SELECT event_id FROM events WHERE event_id LIKE '________-____-____-____-____________' LIMIT 1").fetchone()[0]
    an_address, uses = connection.execute("SELECT src_ip, count(*) FROM events WHERE src_ip LIKE '%.%.%.%' GROUP BY src_ip LIMIT 1").fetchone()
    known, other = uuid.UUID(an_id), uuid.UUID(int=7)
    assert one("SELECT count(*) FROM events WHERE event_id = %s", known) == [1, 1]
    assert one("SELECT count(*) FROM events WHERE event_id IN (%s, %s)", known, other) == [1, 1]
    assert one("SELECT count(*) FROM events WHERE event_id = ANY(%s)", [known, other]) == [1, 1]
    assert one("SELECT count(*) FROM events WHERE src_ip = %s", ipaddress.ip_address(an_address)) == [uses, uses]
    long_ago, day = datetime.timedelta(days=36500), datetime.timedelta(days=1)
    assert one("SELECT count(*) FROM events WHERE time >= %s - %s", time, long_ago) == [events, events]
    assert one("SELECT count(*) FROM events WHERE time + %s > %s", day, time + day) == [0, 0]
    assert one("SELECT count(*) FROM events WHERE time > now() - %s", long_ago) == [events, events]
    assert [float(n) for n in one("SELECT %s + %s", 1, 2.5)] == [3.5, 3.5]
    half = decimal.Decimal("1.5")
    assert [float(n) for n in one("SELECT %s * count(*) FROM events", half)] == [1.5 * events] * 2
    latest = connection.execute("SELECT max(hour) FROM events").fetchone()[0]
    for above in [latest + 0.5, decimal.Decimal(latest) + decimal.Decimal("0.5")]:
        assert one("SELECT count(*) FROM events WHERE hour >= %s", above) == [0, 0], above
    def timed(work):
        begun = time_module.monotonic()
        try:
            work()
            sys.exit("an endless query has ended")
        except psycopg.Error as error:
            assert error.sqlstate == "57014", (error.sqlstate, error)
        assert time_module.monotonic() - begun < 15, time_module.monotonic() - begun
    for prepare in [False, True]:
        threading.Timer(1, connection.cancel).start()
        timed(lambda: connection.execute(endless, prepare=prepare))
    connection.execute("SET statement_timeout = 1000")
    for prepare in [False, True]:
        timed(lambda: connection.execute(endless, prepare=prepare))
    connection.execute("SET statement_timeout = 0")
    mixed = "SELECT raw->'eventName', json_get(raw, 'userIdentity'), raw->>'eventName' AS name FROM events WHERE source = 'aws.cloudtrail' AND action = %s"
    for row in connection.execute(mixed, ("InvokeModel",), prepare=True).fetchall():
        assert row[0] == row[2] and row[1].startswith("{"), row
    listed = "SELECT array_agg(raw->'eventName'), ARRAY[max(raw->>'eventName')] FROM events WHERE source = 'aws.cloudtrail' AND action = %s"
    for row in connection.execute(listed, ("InvokeModel",), prepare=True).fetchall():
        assert set(row[0]) == set(row[1]) == {"InvokeModel"}, row
    models = connection.execute("SELECT count(*) FROM events WHERE action = 'InvokeModel' AND source = 'aws.cloudtrail'").fetchone()[0]
    assert models > 0
    assert one("SELECT count(*) FROM events WHERE source = 'aws.cloudtrail' AND raw->>%s = %s", "eventName", "InvokeModel") == [models] * 2
    assert one("SELECT count(*) FROM events WHERE source = 'aws.cloudtrail' AND json_get_str(raw, %s) = %s", "eventName", "InvokeModel") == [models] * 2
    assert one("""SELECT '["a", "b"]'->>%s""", 1) == ["b", "b"]
    assert one("SELECT %s", None) == [None, None] and one("SELECT %s", "x") == ["x", "x"]
    assert one("SELECT count(*) FROM (SELECT 1 FROM events LIMIT %s)", 3) == [3, 3]
    # a driver that asks of what type a number of rows is
    described = connection.pgconn.prepare(b"limited", b"SELECT action FROM events LIMIT $1 OFFSET $2")
    assert described.status == psycopg.pq.ExecStatus.COMMAND_OK, described.error_message
    described = connection.pgconn.describe_prepared(b"limited")
    assert [described.param_type(n) for n in range(2)] == [20, 20]
    distinct = "SELECT count(*) FROM events WHERE mfa IS DISTINCT FROM true AND action = 'InvokeModel' AND source = 'aws.cloudtrail'"
    assert one(distinct) == one(distinct.replace("mfa IS DISTINCT FROM true", "(mfa IS DISTINCT FROM true)")), one(distinct)
    # what is not declared has the type of what it stands beside, or is a text
    by_name = "SELECT count(*) FROM events WHERE %s IS NULL OR source = %s"
    assert one(by_name, None, None) == [events] * 2
    assert one("SELECT coalesce(%s, source) = source FROM events LIMIT 1", None) == [True, True]
    assert one("SELECT CASE WHEN hour >= %s THEN %s ELSE %s END FROM events LIMIT 1", 0, "a", None) == ["a", "a"]
    assert one("SELECT substr('abcdef', %s, %s)", 2, 3) == ["bcd", "bcd"]
    assert one("SELECT %s::text", 5) == ["5", "5"] and one("SELECT %s", True) == [True, True]
    assert one("SELECT %s", time.date()) == [time.date()] * 2 and one("SELECT %s", time) == [time] * 2
    assert one("SELECT %s", psycopg.types.json.Jsonb({"a": "b"})) == ['{"a": "b"}'] * 2
    def undeclared(sql, *values):
        result = connection.pgconn.exec_params(sql.encode(), [value.encode() for value in values])
        assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
        return result.get_value(0, 0).decode()
    of_cloudtrail = connection.execute("SELECT count(*) FROM events WHERE source = 'aws.cloudtrail'").fetchone()[0]
    # drivers of Go and JavaScript write lists so
    for listed in ["$1", "$1::text[]", "$1::varchar[]"]:
        counted = undeclared(f"SELECT count(*) FROM events WHERE source = ANY({listed})", '{"aws.cloudtrail","none"}')
        assert int(counted) == of_cloudtrail, (listed, counted)
    others = undeclared("SELECT count(*) FROM events WHERE source <> ALL($1)", '{"aws.cloudtrail","none"}')
    assert int(others) == events - of_cloudtrail, others
    assert int(undeclared("SELECT count(*) FROM events WHERE hour = ANY($1)", '{"%d"}' % latest)) > 0
    described = connection.pgconn.prepare(b"listed", b"SELECT action FROM events WHERE hour = ANY($1)")
    assert connection.pgconn.describe_prepared(b"listed").param_type(0) == 1007
    twice = connection.pgconn.prepare(b"twice", b"SELECT 1; SELECT 2")
    assert b"one statement only" in twice.error_message, twice.error_message
    assert one("SELECT version()")[0].startswith("PostgreSQL 16."), one("SELECT version()")
    assert connection.execute("SELECT 1").fetchone()[0] == 1
with psycopg.connect(host="127.0.0.1", port=port, user="virga", dbname="virga", password=password) as connection:
    assert connection.execute("SELECT count(*) FROM events").fetchone()[0] == events
    connection.commit()
    with connection.transaction():
        with connection.transaction():
            connection.execute("SELECT 1")
        try:
            with connection.transaction():
                connection.execute("SELECT nosuch")
            sys.exit("a column that is not there was found")
        except psycopg.Error as error:
            assert error.sqlstate == "42000", error.sqlstate
        assert connection.execute("SELECT 2").fetchone()[0] == 2
import sqlalchemy
engine = sqlalchemy.create_engine(f"postgresql+psycopg://virga:{password}@127.0.0.1:{port}/virga")
with engine.connect() as connection:
    counted = connection.execute(sqlalchemy.text("SELECT count(*) FROM events WHERE credential_id = :key LIMIT :n"),
                                 {"key": "AKIAIOSFODNN7EXAMPLE", "n": 1}).scalar()
    assert counted == 84, counted
    asked = sqlalchemy.inspect(connection)
    assert "events" in asked.get_table_names() and "public" in asked.get_schema_names()
    columns = {column["name"]: str(column["type"]) for column in asked.get_columns("events")}
    assert columns["source"] == "TEXT" and columns["line"] == "BIGINT" and columns["time"].startswith("TIMESTAMP"), columns
    assert asked.get_pk_constraint("events")["constrained_columns"] == [] and asked.get_indexes("events") == []
    reflected = sqlalchemy.Table("events", sqlalchemy.MetaData(), autoload_with=connection)
    assert connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(reflected)).scalar() == events
# whoever stops reading is hung up on when the time of its query is over
stalled = psycopg.connect(host="127.0.0.1", port=port, user="virga", dbname="virga", password=password, options="-c statement_timeout=1s")
stalled.pgconn.send_query(b"SELECT a.raw, b.raw FROM events a, events b, events c")
time_module.sleep(14)
read = 0
import socket
with socket.socket(fileno=stalled.pgconn.socket) as unread:
    unread.settimeout(20)
    try:
        while part := unread.recv(1 << 20):
            read += len(part)
    except ConnectionError:
        pass
    unread.detach()
assert read > 0
answers = []
def ask(n):
    with connect() as connection:
        for _ in range(3):
            answers.append(connection.execute("SELECT count(*) FROM events WHERE raw LIKE %s OR true", (f"%{n}%",)).fetchone()[0])
threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert answers == [events] * 24, answers
print("all is well")
"#;

#[test]
fn psycopg_prepares_and_asks_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let venv = folder.path().join("venv");
    let python = venv.join("bin/python");
    let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let is_there = works(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        && works(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "psycopg[binary]==3.2.9",
            "sqlalchemy==2.1.9",
        ]));
    if !is_there {
        eprintln!("skipped: psycopg cannot be installed (python3-venv, and PyPI within reach)");
        return;
    }
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let server = Server::of(&lake, &[], Some("geheim"));
    let output = Command::new(&python)
        .args(["-c", SCRIPT, &server.port, "geheim", &lake.events.to_string(), ENDLESS])
        .output()
        .expect("python runs");
    assert_eq!(out(&output).trim(), "all is well", "{}", err(&output));
    // the series before asks otherwise for columns: with parameters where the catalog has nothing
    let before = ["-m", "pip", "install", "--quiet", "sqlalchemy==2.0.44"];
    assert!(works(Command::new(&python).args(before)), "SQLAlchemy 2.0 can be installed where 2.1 was");
    let output = Command::new(&python)
        .args(["-c", REFLECTED, &server.port, "geheim", &lake.events.to_string()])
        .output()
        .expect("python runs");
    assert_eq!(out(&output).trim(), "2.0.44", "{}", err(&output));
}

/// All that SQLAlchemy finds out about all tables by itself, and a question by what it found.
const REFLECTED: &str = r#"
import sys
import sqlalchemy
_, port, password, events = sys.argv
engine = sqlalchemy.create_engine(f"postgresql+psycopg://virga:{password}@127.0.0.1:{port}/virga")
found = sqlalchemy.MetaData()
found.reflect(bind=engine)
assert {"events", "rules"} <= set(found.tables), found.tables
columns = {column.name: str(column.type) for column in found.tables["events"].columns}
assert columns["source"] == "TEXT" and columns["line"] == "BIGINT" and columns["time"].startswith("TIMESTAMP"), columns
assert columns["day"] == "DATE" and len(columns) > 50, columns
with engine.connect() as connection:
    assert connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(found.tables["events"])).scalar() == int(events)
print(sqlalchemy.__version__)
"#;
