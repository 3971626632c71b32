//! Tables by fact: what each form answers, and what is refused with which words.

use super::*;

fn spec(file: &str, key: &str, columns: &[(&str, &str)]) -> TableSpec {
    TableSpec {
        file: file.into(),
        key: key.into(),
        matching: None,
        key_column: None,
        columns: columns.iter().map(|(to, from)| ((*to).into(), (*from).into())).collect(),
    }
}

fn csv(spec: &TableSpec, text: &str) -> Result<LookupTable, String> {
    LookupTable::new(spec, spec.file.clone(), text.into())
}

/// What a table says of a key, all columns, as JSON.
fn answer(table: &LookupTable, key: &str) -> String {
    let values = (0..table.columns().count()).map(|column| table.find(key, column));
    serde_json::Value::from_iter(values.map(|value| value.map(|value| value.to_json()))).to_string()
}

#[test]
fn the_longest_network_that_holds_an_address_answers() {
    let text = "network,tags,src_asn,cloud\n10.0.0.0/8,corp,,\n198.51.100.0/24,vpn; tor,AS64500,yes\n\
                198.51.100.7,scanner,64501,no\n2001:db8::/32,v6,,\n::ffff:192.0.2.0/120,mapped,,\n203.0.113.64/26,half,,\n";
    let columns = [("src_tags", "tags"), ("src_asn", "src_asn"), ("src_is_cloud", "cloud")];
    let table = csv(&spec("n.csv", "src_ip", &columns), text).unwrap();
    let names: Vec<&str> = table.columns().map(|column| column.name).collect();
    assert_eq!(names, ["src_asn", "src_is_cloud", "src_tags"]);
    for (key, expected) in [
        ("10.1.2.3", r#"[null,null,["corp"]]"#),
        ("198.51.100.8", r#"[64500,true,["vpn","tor"]]"#),
        ("198.51.100.7", r#"[64501,false,["scanner"]]"#),
        ("198.051.100.007:443", r#"[64501,false,["scanner"]]"#),
        // of this /24 one address is something else
        ("198.51.100.xxx", "[null,null,null]"),
        ("::ffff:198.51.100.9", r#"[64500,true,["vpn","tor"]]"#),
        ("2001:db8:7::1", r#"[null,null,["v6"]]"#),
        // only a quarter of the /24 is tagged
        ("203.0.113.***", "[null,null,null]"),
        ("203.0.113.65", r#"[null,null,["half"]]"#),
        ("10.9.8.0/24", r#"[null,null,["corp"]]"#),
        ("192.0.2.1", r#"[null,null,["mapped"]]"#),
        ("192.0.3.1", "[null,null,null]"),
        ("s3.amazonaws.com", "[null,null,null]"),
        ("300.1.1.1", "[null,null,null]"),
        ("", "[null,null,null]"),
    ] {
        assert_eq!(answer(&table, key), expected, "{key}");
    }
}

#[test]
fn an_exact_key_is_found_in_any_case_and_columns_may_name_themselves() {
    let table =
        csv(&spec("a.csv", "principal", &[]), "who,src_country,note\nAda@Example.com,NL,x\n").unwrap();
    assert_eq!(answer(&table, "ADA@example.COM"), r#"["NL"]"#);
    assert_eq!(answer(&table, "bob@example.com"), "[null]");
}

#[test]
fn the_version_of_a_table_is_its_content() {
    let of = |text| csv(&spec("a.csv", "account", &[("src_tags", "t")]), text).unwrap().version;
    assert_eq!(of("k,t\na,b\n"), of("k,t\na,b\n"));
    assert_ne!(of("k,t\na,b\n"), of("k,t\na,c\n"));
}

#[test]
fn a_wrong_table_is_refused_with_its_place() {
    let tags: &[(&str, &str)] = &[("src_tags", "t")];
    for (key, columns, text, cause) in [
        ("source_ip", tags, "k,t\n", "`source_ip` is no canonical column"),
        (
            "src_ip",
            &[("action", "t")],
            "k,t\n",
            "`action` is no column that a table fills; there are src_asn",
        ),
        ("bytes_out", tags, "k,t\n", "`bytes_out` cannot be a key"),
        ("src_country", tags, "k,t\n", "`src_country` cannot be a key"),
        ("src_ip", tags, "k,t\n", "it has no row"),
        ("src_ip", tags, "k,t,T\n", "the column `T` stands twice"),
        ("src_ip", &[("src_tags", "tag")], "k,t\n", "no column `tag`; it has k, t"),
        ("src_ip", &[], "k,t\n", "none of its columns has a canonical name"),
        ("src_ip", tags, "k,t\n10.0.0.0/33,x\n", "line 2: `10.0.0.0/33` is no network and no address"),
        ("src_ip", tags, "k,t\n10.0.0.0/8,x\n,y\n", "line 3: the key is empty"),
        ("src_ip", tags, "k,t\n10.0.0.0/8,x\n10.1.0.0/8,y\n", "line 3: the key `10.1.0.0/8` stands twice"),
        ("account", tags, "k,t\na,x\nA,y\n", "line 3: the key `A` stands twice"),
        ("src_ip", &[("src_asn", "t")], "k,t\n10.0.0.1,AS1x\n", "line 2, src_asn: `AS1x` is no whole number"),
        ("src_ip", &[("src_lat", "t")], "k,t\n10.0.0.1,NaN\n", "line 2, src_lat: `NaN` is no number"),
        ("src_ip", &[("src_is_cloud", "t")], "k,t\n10.0.0.1,aws\n", "`aws` is no true or false"),
        ("src_ip", tags, "k,t\n10.0.0.1\n", "line: 2"),
    ] {
        let error = csv(&spec("t.csv", key, columns), text).unwrap_err();
        assert!(error.contains(cause), "{error} lacks {cause}");
    }
}

#[test]
fn a_maxmind_database_answers_by_path() {
    let columns = [
        ("src_country", "country.iso_code"),
        ("src_lat", "location.latitude"),
        ("src_asn", "autonomous_system_number"),
        ("src_tags", "tags"),
        ("src_is_cloud", "traits.is_anonymous"),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let table = LookupTable::load(&spec("networks.mmdb", "src_ip", &columns), &folder).unwrap();
    let names: Vec<&str> = table.columns().map(|column| column.name).collect();
    assert_eq!(names, ["src_asn", "src_country", "src_is_cloud", "src_lat", "src_tags"]);
    for (key, expected) in [
        ("198.51.100.7", r#"[64500,"NL",true,52.37,["vpn","hosting"]]"#),
        ("198.51.100.xxx", r#"[64500,"NL",true,52.37,["vpn","hosting"]]"#),
        ("203.0.113.1", r#"[null,"JP",null,null,null]"#),
        ("203.0.113.200", r#"[null,"BR",null,null,null]"#),
        ("203.0.113.xxx", "[null,null,null,null,null]"),
        ("198.51.100.0/24", r#"[64500,"NL",true,52.37,["vpn","hosting"]]"#),
        ("203.0.113.0/24", "[null,null,null,null,null]"),
        ("2001:db8::1", r#"[64501,"DE",null,null,null]"#),
        ("192.0.2.1", "[null,null,null,null,null]"),
        ("gce-internal-ip", "[null,null,null,null,null]"),
    ] {
        assert_eq!(answer(&table, key), expected, "{key}");
    }
}

#[test]
fn a_maxmind_table_says_what_it_needs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    for (file, columns, cause) in [
        ("networks.mmdb", [].as_slice(), "a MaxMind table needs `columns`, as in"),
        ("missing.mmdb", &[("src_asn", "a")], "missing.mmdb: "),
    ] {
        let error = LookupTable::load(&spec(file, "src_ip", columns), &folder).unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
    let broken =
        LookupTable::new(&spec("x.mmdb", "src_ip", &[("src_asn", "a")]), "x.mmdb".into(), vec![1, 2]);
    assert!(broken.unwrap_err().starts_with("no MaxMind database: "));
}
