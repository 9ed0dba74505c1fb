//! The command line as scripts rely on it.

use crate::release::{Release, plain_graph};
use serde_json::Value;
use std::process::Output;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn search_by_id_returns_the_entry_itself_first() {
    let release = Release::new();
    let output = release
        .netkin()
        .args([
            "search",
            "id:nasbench201/plain-twin",
            "-k",
            "3",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let answer = json(&output);
    assert_eq!(answer["hits"][0]["id"], "nasbench201/plain-twin");
    assert_eq!(answer["hits"][0]["relation"], "duplicate");
    assert_eq!(answer["hits"][1]["id"], "nasbench201/plain");
    insta::assert_json_snapshot!("search", answer, {
        ".took_ms" => "[ms]", ".hits[].similarity" => "[similarity]",
        ".query.digest" => "[digest]", ".query.coarse_digest" => "[digest]",
    });
}

#[test]
fn a_filter_never_costs_a_hit() {
    let release = Release::new();
    let arguments = [
        "search",
        "id:nasbench201/pool",
        "-k",
        "2",
        "--family",
        "plain",
        "--format",
        "json",
    ];
    let answer = json(&release.netkin().args(arguments).output().unwrap());
    let families: Vec<&Value> = answer["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| &hit["family"])
        .collect();
    assert_eq!(families, ["plain", "plain"]);
}

#[test]
fn a_graph_in_a_file_and_the_cell_it_came_from_are_the_same_design() {
    let release = Release::new();
    let path = release.path().join("query.json");
    std::fs::write(&path, plain_graph()).unwrap();
    let output = release
        .netkin()
        .args([
            "compare",
            path.to_str().unwrap(),
            "id:nasbench201/plain",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    let answer = json(&output);
    assert_eq!(answer["equal"], "exact");
    assert_eq!(answer["similarity"], 1.0);
    assert_eq!(answer["differing"], serde_json::json!([]));
}

#[test]
fn a_description_names_motifs_that_hold_every_operator() {
    let release = Release::new();
    let describe = |format: &str| {
        let mut netkin = release.netkin();
        let arguments = ["describe", "id:nasbench201/plain", "--format", format];
        netkin.args(arguments).output().unwrap()
    };
    let answer = json(&describe("json"));
    let motifs = answer["motifs"].as_array().unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let held = motifs
        .iter()
        .map(|motif| number(&motif["operators"]) * number(&motif["count"]));
    // The input is a node of a motif, and no operator.
    assert_eq!(held.sum::<u64>(), number(&answer["query"]["operators"]) + 1);
    assert!(
        motifs
            .iter()
            .all(|motif| motif["hash"].as_str().unwrap().len() == 16)
    );
    let table = String::from_utf8(describe("table").stdout).unwrap();
    assert!(
        table.contains(motifs[0]["name"].as_str().unwrap()),
        "{table}"
    );
}

#[test]
fn an_unknown_entry_is_one_sentence_exit_two_and_a_problem() {
    let release = Release::new();
    let output = release
        .netkin()
        .args(["describe", "id:poo", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        message,
        "netkin: there is no entry `poo`; did you mean nasbench201/pool?\n"
    );
    assert_eq!(json(&output)["code"], "unknown_entry");
}

#[test]
fn files_that_could_run_code_are_refused_whatever_they_are_called() {
    let release = Release::new();
    let files: [(&[u8], &str); 3] = [
        (b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.", "pickle"),
        (b"PK\x03\x04\x14\0\0\0\x08\0archive/data.pkl", "zip archive"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "gzip"),
    ];
    for (bytes, what) in files {
        for name in ["model.onnx", "model.json", "model.pt", "model"] {
            let path = release.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let output = release
                .netkin()
                .arg("describe")
                .arg(&path)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(2));
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(message.contains(what), "{name}: {message}");
            assert_eq!(message.lines().count(), 1);
        }
    }
}

#[test]
fn an_address_is_no_path_and_nothing_is_fetched() {
    let release = Release::new();
    let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    door.set_nonblocking(true).unwrap();
    let address = door.local_addr().unwrap();
    for query in [
        format!("http://{address}/model.onnx"),
        format!("//{address}/share/model.onnx"),
        format!("id:http://{address}/model.onnx"),
    ] {
        let output = release
            .netkin()
            .args(["describe", &query])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{query}");
    }
    let visitor = door.accept();
    assert!(visitor.is_err(), "{visitor:?}");
}

#[test]
fn tables_carry_no_colour_codes_off_a_terminal() {
    let release = Release::new();
    for arguments in [
        ["describe", "id:nasbench201/pool"],
        ["search", "id:nasbench201/pool"],
    ] {
        let output = release.netkin().args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("nasbench201/pool"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn corpus_stats_and_verify_read_the_shipped_corpus() {
    let release = Release::new();
    let run = |command: &str| {
        let mut netkin = release.netkin();
        json(
            &netkin
                .args(["corpus", command, "--format", "json"])
                .output()
                .unwrap(),
        )
    };
    assert_eq!(run("stats")["distinct_exact"], 4);
    assert_eq!(run("verify")["entries"], 5);
}

#[test]
fn the_specification_in_the_repository_is_the_one_the_program_writes() {
    let output = Release::new().netkin().arg("openapi").output().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
    let kept = std::fs::read_to_string(path).unwrap();
    let written = String::from_utf8(output.stdout).unwrap();
    assert!(
        kept == written,
        "openapi.yaml is stale: run `netkin openapi > openapi.yaml`"
    );
}
