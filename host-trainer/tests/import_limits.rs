//! A small file never takes much memory or time, and only ordinary files are opened.

#![allow(clippy::unwrap_used, missing_docs)]

use denselet_train::interchange::import::{Options, import, import_bytes};
use prost::Message;
use std::io;

/// The parts of an ONNX file that these tests write.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    sets: Vec<Set>,
}

#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    op: String,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    sides: Vec<i64>,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    outside: Vec<Entry>,
    #[prost(int32, tag = "14")]
    location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(message, optional, tag = "1")]
    tensor: Option<Shaped>,
}

#[derive(Clone, PartialEq, Message)]
struct Shaped {
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    sides: Vec<Side>,
}

#[derive(Clone, PartialEq, Message)]
struct Side {
    #[prost(int64, optional, tag = "1")]
    length: Option<i64>,
}

const FLOAT: i32 = 1;
const INT64: i32 = 7;

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        inputs: inputs.iter().map(|&name| name.into()).collect(),
        outputs: vec![output.into()],
        op: op.into(),
    }
}

fn tensor(name: &str, kind: i32, sides: &[i64], raw: Vec<u8>) -> Tensor {
    Tensor {
        sides: sides.to_vec(),
        kind,
        name: name.into(),
        raw,
        ..Tensor::default()
    }
}

fn file(nodes: Vec<Node>, tensors: Vec<Tensor>) -> Vec<u8> {
    let sides = [1, 1, 8, 8].map(|length| Side { length: Some(length) }).to_vec();
    let shape = Some(Shape { sides });
    let kind = Some(Kind {
        tensor: Some(Shaped { shape }),
    });
    let model = Model {
        version: 8,
        graph: Some(Graph {
            nodes,
            tensors,
            inputs: vec![Value {
                name: "image".into(),
                kind,
            }],
            outputs: vec![Value {
                name: "out".into(),
                kind: None,
            }],
        }),
        sets: vec![Set { version: 17 }],
    };
    model.encode_to_vec()
}

fn message(bytes: &[u8]) -> String {
    let nothing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let found = import_bytes(bytes, "file", &nothing, &Options::default());
    found
        .err()
        .map_or_else(String::new, |problem| problem.to_string())
}

#[test]
fn a_constant_that_doubles_again_and_again_is_refused() {
    let mut nodes: Vec<Node> = (0..40)
        .map(|n| {
            let (from, to) = (format!("c{n}"), format!("c{}", n + 1));
            node("Concat", &[&from, &from], &to)
        })
        .collect();
    nodes.push(node("Reshape", &["image", "c40"], "out"));
    let message = message(&file(
        nodes,
        vec![tensor("c0", INT64, &[1], vec![1, 0, 0, 0, 0, 0, 0, 0])],
    ));
    assert!(
        message.contains("constant `c20`") && message.contains("fold the constants"),
        "{message}"
    );
}

#[test]
fn products_of_rows_and_columns_have_a_total() {
    let bytes = || vec![0; 4 * 1024];
    let mut nodes: Vec<Node> = (0..40)
        .map(|n| node("Mul", &["row", "column"], &format!("m{n}")))
        .collect();
    for n in 0..40 {
        let from = if n == 0 {
            "image".to_owned()
        } else {
            format!("a{}", n - 1)
        };
        let to = if n == 39 {
            "out".to_owned()
        } else {
            format!("a{n}")
        };
        nodes.push(node("Add", &[&from, &format!("m{n}")], &to));
    }
    let tensors = vec![
        tensor("row", FLOAT, &[1, 1024], bytes()),
        tensor("column", FLOAT, &[1024, 1], bytes()),
    ];
    let message = message(&file(nodes, tensors));
    assert!(message.contains("constants of"), "{message}");
}

#[test]
fn one_tensor_that_many_nodes_read_counts_for_each() {
    let mut nodes = Vec::new();
    for n in 0..100 {
        let from = if n == 0 {
            "image".to_owned()
        } else {
            format!("a{}", n - 1)
        };
        let to = if n == 99 {
            "out".to_owned()
        } else {
            format!("a{n}")
        };
        nodes.push(node("Conv", &[&from, "w"], &to));
    }
    let sides = 64 * 64 * 9;
    let weight = tensor("w", FLOAT, &[64, 64, 3, 3], vec![0; 4 * sides]);
    let widen = tensor("first", FLOAT, &[64, 1, 1, 1], vec![0; 256]);
    nodes.insert(0, node("Conv", &["image", "first"], "wide"));
    nodes[1].inputs[0] = "wide".into();
    let message = message(&file(nodes, vec![weight, widen]));
    assert!(!message.is_empty());
}

#[test]
fn many_empty_nodes_are_refused_before_they_are_read() {
    let more = file(vec![Node::default(); 1_100_000], Vec::new());
    let nothing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let error = import_bytes(&more, "file", &nothing, &Options::default())
        .err()
        .unwrap();
    assert!(error.to_string().contains("at most 1048576 parts"), "{error}");
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_as_files_and_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("weights");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let refused = |path: &std::path::Path| import(path, &Options::default()).unwrap_err().to_string();
    assert!(refused(&pipe).contains("found a pipe (FIFO)"));
    assert!(refused(std::path::Path::new("/dev/zero")).contains("found a device"));
    let weight = Tensor {
        location: 1,
        outside: vec![Entry {
            key: "location".into(),
            value: "weights".into(),
        }],
        ..tensor("w", FLOAT, &[4, 1, 1, 1], Vec::new())
    };
    let path = folder.path().join("network.onnx");
    std::fs::write(
        &path,
        file(vec![node("Conv", &["image", "w"], "out")], vec![weight]),
    )
    .unwrap();
    let message = refused(&path);
    assert!(
        message.contains("`weights`") && message.contains("found a pipe (FIFO)"),
        "{message}"
    );
}
