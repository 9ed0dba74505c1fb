//! A model with 100 MB of weights: our readers, prost decoding everything, and reading alone.

#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use netkin::import::{Limits, onnx};
use prost::Message;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read, Write};

const LAYERS: usize = 25;
const SIDE: usize = 1024;

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

fn read_whole(file: &std::path::Path) -> Vec<u8> {
    std::fs::read(file).expect("the file was just written")
}

fn readers(criterion: &mut Criterion) {
    let bytes = model().encode_to_vec();
    let mut file = tempfile::NamedTempFile::new().expect("there is room for 100 MB");
    file.write_all(&bytes).expect("there is room for 100 MB");
    let path = file.path();
    let limits = Limits::default();
    let raw = onnx::read(&bytes, &limits).expect("it is a model");
    assert_eq!(raw.nodes.len(), 2 * LAYERS + 1);

    let mut group = criterion.benchmark_group("onnx, 100 MB of weights");
    group
        .sample_size(20)
        .throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("read() alone, 64 KB at a time", |bencher| {
        let mut buffer = vec![0; 64 << 10];
        bencher.iter(|| {
            let mut file = File::open(path).expect("it was just written");
            while file.read(&mut buffer).expect("it can be read") > 0 {
                black_box(&buffer);
            }
        });
    });
    group.bench_function("ours, streaming from the file", |bencher| {
        bencher.iter(|| {
            let file = File::open(path).expect("it was just written");
            onnx::read_from(BufReader::new(file), &limits).expect("it is a model")
        });
    });
    group.bench_function("read() of the whole file into memory", |bencher| {
        bencher.iter(|| black_box(read_whole(path)));
    });
    group.bench_function("prost, decoding the whole file", |bencher| {
        bencher.iter(|| Model::decode(&read_whole(path)[..]).expect("it is a model"));
    });
    group.bench_function("ours, from bytes in memory", |bencher| {
        bencher.iter(|| onnx::read(&bytes, &limits).expect("it is a model"));
    });
    group.bench_function("prost, from bytes in memory", |bencher| {
        bencher.iter(|| Model::decode(&bytes[..]).expect("it is a model"));
    });
    group.finish();
}

criterion_group!(benches, readers);
criterion_main!(benches);
