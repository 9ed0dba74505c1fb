//! A model with 500 MB of weights: our readers, prost decoding everything, and reading alone;
//! their time, and what each adds to the memory of a process.

#![allow(missing_docs, clippy::print_stdout)]

mod sheet;

use netkin::import::{Limits, onnx};
use prost::Message;
use sheet::{Sheet, Times, process_mb, row, take_turns, verdict};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::Command;

const LAYERS: usize = 125;
const SIDE: usize = 1000;
const ROUNDS: usize = 5;
const MEMORY_BUDGET_MB: f64 = 16.0;
/// Streaming may cost so much more than reading alone before the budget counts as missed: what
/// two measurements of the same thing differ by on a busy machine.
const TOLERANCE: f64 = 1.1;

/// A way to come by the model in a file.
type Way = fn(&Path);

/// Ways to come by the model, in the order of the table.
const WAYS: [(&str, Way); 4] = [
    ("read() alone, 64 KB at a time", read_alone),
    ("netkin, streaming from the file", stream),
    ("read() of the whole file into memory", read_whole),
    ("prost, decoding the whole file", decode),
];

/// The messages that the model has, as prost would have them.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
}

fn model() -> Model {
    let value = |name: String| Value { name };
    let nodes = (0..LAYERS).map(|layer| Node {
        input: vec![format!("v{layer}"), format!("w{layer}")],
        output: vec![format!("v{}", layer + 1)],
        op_type: "MatMul".into(),
    });
    let weights = (0..LAYERS).map(|layer| Tensor {
        dims: vec![SIDE as i64; 2],
        data_type: 1,
        name: format!("w{layer}"),
        raw_data: vec![0x3f; SIDE * SIDE * 4],
    });
    Model {
        ir_version: 8,
        graph: Some(Graph {
            node: nodes.collect(),
            initializer: weights.collect(),
            input: vec![value("v0".into())],
            output: vec![value(format!("v{LAYERS}"))],
        }),
    }
}

fn read_alone(path: &Path) {
    let mut buffer = vec![0; 64 << 10];
    let mut file = File::open(path).expect("it was just written");
    while file.read(&mut buffer).expect("it can be read") > 0 {
        black_box(&buffer);
    }
}

fn stream(path: &Path) {
    let file = BufReader::new(File::open(path).expect("it was just written"));
    let raw = onnx::read_from(file, &Limits::default()).expect("it is a model");
    assert_eq!(black_box(raw).nodes.len(), 2 * LAYERS + 1);
}

fn read_whole(path: &Path) {
    black_box(std::fs::read(path).expect("it was just written"));
}

fn decode(path: &Path) {
    let bytes = std::fs::read(path).expect("it was just written");
    black_box(Model::decode(&bytes[..]).expect("it is a model"));
}

/// What one way adds to a process that does nothing else; this program, started again, says it.
fn extra_mb(way: usize, path: &Path) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let mut child = Command::new(program);
    let output = child.args(["--extra-memory", &way.to_string()]).arg(path);
    let output = output.output().ok()?.stdout;
    String::from_utf8(output).ok()?.trim().parse().ok()
}

/// In the child: peak after the way, less what was resident before.
fn print_extra_mb(way: &str, path: &str) {
    let way: usize = way.parse().expect("our parent gave a number");
    let before = process_mb("self", "VmRSS").expect("this system states memory");
    (WAYS[way].1)(Path::new(path));
    let peak = process_mb("self", "VmHWM").expect("this system states memory");
    println!("{}", peak - before);
}

fn write_model() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("there is a temporary folder");
    file.write_all(&model().encode_to_vec())
        .expect("there is room for 500 MB");
    file
}

fn table(times: &[Times], memory: &[Option<f64>]) -> Vec<Vec<String>> {
    let reading = times[0].median();
    let rows = WAYS.iter().zip(times).zip(memory);
    rows.map(|(((what, _), times), memory)| {
        let ratio = format!("{:.2}", times.median() / reading);
        let memory = memory.map_or("unknown".into(), |mb| format!("{mb:.1} MB"));
        row(*what, times.cells().into_iter().chain([ratio, memory]))
    })
    .collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, way, path] = &arguments[..]
        && flag == "--extra-memory"
    {
        return print_extra_mb(way, path);
    }
    let file = write_model();
    let memory: Vec<Option<f64>> = (0..WAYS.len())
        .map(|way| extra_mb(way, file.path()))
        .collect();
    let path = file.path();
    let mut ways: Vec<_> = WAYS
        .iter()
        .map(|(_, way)| move |_: usize| way(path))
        .collect();
    let mut turns: Vec<&mut dyn FnMut(usize)> = Vec::new();
    for way in &mut ways {
        turns.push(way);
    }
    let times = take_turns(ROUNDS, &mut turns);

    let mut sheet = Sheet::new("ONNX: a model with 500 MB of weights");
    sheet.paragraph(&format!(
        "`cargo bench --bench onnx`: the file is in the page cache, {ROUNDS} rounds. Extra memory is the peak of a\n\
         process that does nothing else, less what it held before. prost decodes into hand-written messages that\n\
         hold only what the model has."
    ));
    let header = [
        "what",
        "fastest ms",
        "p50 ms",
        "p99 ms",
        "to read() alone",
        "extra memory",
    ];
    sheet.table(&header, &table(&times, &memory));
    let ratio = times[1].median() / times[0].median();
    let extra = memory[1].unwrap_or(f64::NAN);
    sheet.paragraph(&format!(
        "Budget: the time of reading ({}, {ratio:.2} of it) and less than {MEMORY_BUDGET_MB} MB ({}).",
        verdict(ratio <= TOLERANCE),
        verdict(extra < MEMORY_BUDGET_MB),
    ));
    sheet.print();
}
