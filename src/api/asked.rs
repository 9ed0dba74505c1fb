//! What a request asks for or brings, from its URL and its JSON, as the engine takes it.
//!
//! Unknown fields are refused by name and every text has a longest form: nothing here is trusted.

use super::error::{Failure, sentence};
use crate::engine::{Filter, LARGEST_METADATA, LONGEST_TEXT, Query, Range, SearchOptions, Viewer};
use crate::store::Edit;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::num::NonZeroUsize;
use utoipa::{IntoParams, ToSchema};

/// A text of at most [`LONGEST_TEXT`] bytes without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, max_length = 256)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.len() > LONGEST_TEXT {
            return Err(D::Error::custom(format!(
                "a text may have at most {LONGEST_TEXT} bytes"
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(D::Error::custom("a text may not have control characters"));
        }
        Ok(Self(text))
    }
}

/// A number that every JSON reader keeps exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = u64, maximum = 9_007_199_254_740_991_i64)]
pub(super) struct Count(pub(super) u64);

/// The largest whole number up to which doubles hold every one: 2⁵³ − 1.
const LARGEST_COUNT: u64 = (1 << 53) - 1;

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let count = u64::deserialize(from)?;
        if count > LARGEST_COUNT {
            return Err(D::Error::custom(format!(
                "a number may be at most {LARGEST_COUNT}"
            )));
        }
        Ok(Self(count))
    }
}

/// Options of a search, in the URL.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Options {
    /// Number of hits; 10 when left out, at most 1000 or what the server is set to.
    #[param(minimum = 1)]
    pub(super) k: Option<usize>,
    /// Only this collection; `public` is the shipped corpus.
    #[param(value_type = Option<String>, max_length = 256)]
    pub(super) collection: Option<Text>,
    /// Only this family or coarse family.
    #[param(value_type = Option<String>, max_length = 256)]
    pub(super) family: Option<Text>,
    /// Only this package.
    #[param(value_type = Option<String>, max_length = 256)]
    pub(super) source: Option<Text>,
    /// Only this task.
    #[param(value_type = Option<String>, max_length = 256)]
    pub(super) task: Option<Text>,
    /// Only published models of the corpus, or only others.
    pub(super) published: Option<bool>,
    /// At least so many parameters.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub(super) min_parameters: Option<Count>,
    /// At most so many parameters.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub(super) max_parameters: Option<Count>,
    /// At least so many floating-point operations.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub(super) min_flops: Option<Count>,
    /// At most so many floating-point operations.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub(super) max_flops: Option<Count>,
    /// What to call the query when it states no name itself.
    #[param(value_type = Option<String>, max_length = 256)]
    pub(super) name: Option<Text>,
}

/// A query as JSON: one of `id`, `graph` and `vector`, with options beside it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Question {
    /// Id of a stored entry, or a cell of a search space such as `nas:nasbench201:…`.
    id: Option<String>,
    /// A raw graph (`netkin-graph`) or a Keras configuration.
    #[schema(value_type = Option<Object>)]
    graph: Option<Box<RawValue>>,
    /// An embedding, as POST /v1/embed gives it.
    vector: Option<Vec<f32>>,
    /// The model that made the vector.
    model_version: Option<Text>,
    /// Number of hits; 10 when left out, at most 1000 or what the server is set to.
    #[schema(value_type = Option<usize>, minimum = 1)]
    k: Option<NonZeroUsize>,
    /// Only this collection; `public` is the shipped corpus.
    collection: Option<Text>,
    /// Only this family or coarse family.
    family: Option<Text>,
    /// Only this package.
    source: Option<Text>,
    /// Only this task.
    task: Option<Text>,
    /// Only published models of the corpus, or only others.
    published: Option<bool>,
    /// At least so many parameters.
    min_parameters: Option<Count>,
    /// At most so many parameters.
    max_parameters: Option<Count>,
    /// At least so many floating-point operations.
    min_flops: Option<Count>,
    /// At most so many floating-point operations.
    max_flops: Option<Count>,
    /// Only entries whose metadata has these values in these fields.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What to add: a model with what its owner says of it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Item {
    /// A cell of a search space, such as `nas:nasbench201:…`, in place of `graph`.
    id: Option<String>,
    /// A raw graph (`netkin-graph`) or a Keras configuration.
    #[schema(value_type = Option<Object>)]
    graph: Option<Box<RawValue>>,
    /// Its name; the model's own when left out.
    name: Option<Text>,
    /// Its family.
    family: Option<Text>,
    /// Its coarse family.
    coarse_family: Option<Text>,
    /// What it is for.
    task: Option<Text>,
    /// Where it comes from.
    source: Option<Text>,
    /// Anything else: an object of at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What is said of a model in the URL.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Said {
    /// The collection to add to.
    #[param(value_type = Option<String>, max_length = 256)]
    pub(super) collection: Option<Text>,
    /// Its name; the model's own when left out.
    #[param(value_type = Option<String>, max_length = 256)]
    name: Option<Text>,
    /// Its family.
    #[param(value_type = Option<String>, max_length = 256)]
    family: Option<Text>,
    /// Its coarse family.
    #[param(value_type = Option<String>, max_length = 256)]
    coarse_family: Option<Text>,
    /// What it is for.
    #[param(value_type = Option<String>, max_length = 256)]
    task: Option<Text>,
    /// Where it comes from.
    #[param(value_type = Option<String>, max_length = 256)]
    source: Option<Text>,
}

/// Tells JSON of ours from a raw graph or a Keras configuration.
#[derive(Deserialize)]
struct Probe {
    id: Option<IgnoredAny>,
    graph: Option<IgnoredAny>,
    vector: Option<IgnoredAny>,
}

/// Whether `json` wraps a query or a model, and is not itself one.
pub(super) fn is_wrapped(json: &[u8]) -> bool {
    let probe = serde_json::from_slice::<Probe>(json);
    probe.is_ok_and(|probe| probe.id.is_some() || probe.graph.is_some() || probe.vector.is_some())
}

/// JSON of a form that a route takes.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(json)
        .map_err(|error| Failure::bad_request("bad_query", sentence(&error.to_string())))
}

impl Question {
    /// The query and how to search for it; `viewer` asks, and options of the URL hold where the JSON says
    /// nothing.
    pub(super) fn read(
        self,
        url: &Options,
        viewer: &Viewer,
    ) -> Result<(Query, SearchOptions), Failure> {
        let text =
            |own: Option<Text>, url: &Option<Text>| own.or_else(|| url.clone()).map(|text| text.0);
        url.check()?;
        let count = |own: Option<Count>, url: Option<Count>| own.or(url).map(|count| count.0);
        let k = self.k.map(NonZeroUsize::get);
        let options = SearchOptions {
            k: k.or(url.k).unwrap_or(SearchOptions::default().k),
            filter: Filter {
                collection: text(self.collection, &url.collection),
                family: text(self.family, &url.family),
                source: text(self.source, &url.source),
                task: text(self.task, &url.task),
                name: None,
                published: self.published.or(url.published),
                parameters: Range {
                    min: count(self.min_parameters, url.min_parameters),
                    max: count(self.max_parameters, url.max_parameters),
                },
                flops: Range {
                    min: count(self.min_flops, url.min_flops),
                    max: count(self.max_flops, url.max_flops),
                },
                metadata: bounded(self.metadata.unwrap_or_default())?,
            },
            viewer: viewer.clone(),
        };
        let name = url.name.clone().map(|name| name.0);
        let query = match (self.id, self.graph, self.vector) {
            (Some(id), None, None) => by_id(id),
            (None, Some(graph), None) => model(name, &graph),
            (None, None, Some(values)) => Query::Vector {
                model_version: self.model_version.ok_or_else(no_version)?.0,
                values,
            },
            _ => {
                return Err(Failure::bad_request(
                    "bad_query",
                    "Give one of `id`, `graph` and `vector`.",
                ));
            }
        };
        Ok((query, options))
    }
}

impl Options {
    /// Refused also where the JSON has a number of its own.
    ///
    /// # Errors
    /// When `k` is 0; the engine knows the most.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.k == Some(0) {
            return Err(Failure::bad_request(
                "k_out_of_range",
                "`k` must be at least 1.",
            ));
        }
        Ok(())
    }

    /// How to search for a model that is the whole body.
    pub(super) fn read(&self, viewer: &Viewer) -> Result<SearchOptions, Failure> {
        let question = Question {
            id: Some(String::new()),
            ..Question::default()
        };
        question.read(self, viewer).map(|(_, options)| options)
    }
}

impl Item {
    /// The model, and what its owner says of it here or, where this is silent, in the URL.
    pub(super) fn read(self, url: Said) -> Result<(Query, Edit), Failure> {
        let said = Said {
            name: self.name.or(url.name),
            family: self.family.or(url.family),
            coarse_family: self.coarse_family.or(url.coarse_family),
            task: self.task.or(url.task),
            source: self.source.or(url.source),
            collection: None,
        };
        let query = match (self.id, self.graph) {
            (Some(id), None) => by_id(id),
            (None, Some(graph)) => model(None, &graph),
            _ => {
                return Err(Failure::bad_request(
                    "bad_query",
                    "Give either `graph` or `id`.",
                ));
            }
        };
        Ok((query, said.read(self.metadata.unwrap_or_default())?))
    }
}

impl Said {
    /// What to store, with `metadata`.
    pub(super) fn read(self, metadata: Map<String, Value>) -> Result<Edit, Failure> {
        let text = |text: Option<Text>| text.map(|text| text.0).filter(|text| !text.is_empty());
        Ok(Edit {
            name: text(self.name).unwrap_or_default(),
            family: text(self.family),
            coarse_family: text(self.coarse_family),
            task: text(self.task),
            source: text(self.source),
            metadata: Value::Object(bounded(metadata)?).to_string(),
        })
    }
}

/// Refused when a batch is empty or larger than `most`.
pub(super) fn check_batch(items: usize, most: usize) -> Result<(), Failure> {
    match items {
        0 => Err(Failure::bad_request(
            "empty_batch",
            "The batch is empty; send at least one item.",
        )),
        items if items > most => Err(Failure::batch_too_large(most)),
        _ => Ok(()),
    }
}

/// Metadata that is not too large.
pub(super) fn bounded(metadata: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    if metadata.is_empty() || Value::Object(metadata.clone()).to_string().len() <= LARGEST_METADATA
    {
        return Ok(metadata);
    }
    Err(Failure::bad_request(
        "metadata_too_large",
        format!("`metadata` may have at most {LARGEST_METADATA} bytes of JSON."),
    ))
}

fn by_id(id: String) -> Query {
    if id.starts_with("nas:") {
        Query::Nas(id)
    } else {
        Query::Id(id)
    }
}

fn model(name: Option<String>, graph: &RawValue) -> Query {
    Query::Bytes {
        name,
        bytes: graph.get().as_bytes().to_vec(),
    }
}

fn no_version() -> Failure {
    Failure::bad_request(
        "bad_query",
        "A `vector` needs the `model_version` that made it: vectors of different models cannot be compared.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, url: &Options) -> Result<(Query, SearchOptions), Failure> {
        parse::<Question>(json.as_bytes())?.read(url, &Viewer::All)
    }

    #[test]
    fn options_in_the_body_win_over_the_url() {
        let url = Options {
            k: Some(3),
            family: Some(Text("vit".into())),
            ..Options::default()
        };
        let (query, options) = read(r#"{"id": "timm/resnet18", "k": 5}"#, &url).unwrap();
        assert_eq!(query, Query::Id("timm/resnet18".into()));
        assert_eq!(
            (options.k, options.filter.family.as_deref()),
            (5, Some("vit"))
        );
        assert_eq!(url.read(&Viewer::All).unwrap().k, 3);
    }

    #[test]
    fn an_unknown_option_in_the_body_is_refused_by_name() {
        let failure = read(r#"{"id": "a", "colour": 5}"#, &Options::default()).unwrap_err();
        assert!(failure.detail.contains("`colour`"));
    }

    #[test]
    fn a_question_asks_one_thing() {
        for both in [
            r#"{"id": "a", "graph": {}}"#,
            "{}",
            r#"{"vector": [1], "id": "a"}"#,
        ] {
            assert_eq!(
                read(both, &Options::default()).unwrap_err().code,
                "bad_query"
            );
        }
        let failure = read(r#"{"vector": [1]}"#, &Options::default()).unwrap_err();
        assert!(failure.detail.contains("model_version"));
    }

    #[test]
    fn texts_and_metadata_have_a_longest_form() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        let failure = read(
            &format!(r#"{{"id": "a", "task": "{long}"}}"#),
            &Options::default(),
        );
        assert!(failure.unwrap_err().detail.contains("256"));
        let failure = read(r#"{"id": "a", "task": "\n"}"#, &Options::default());
        assert!(failure.unwrap_err().detail.contains("control"));
        let large = "x".repeat(LARGEST_METADATA);
        let json = format!(r#"{{"id": "nas:a", "metadata": {{"a": "{large}"}}}}"#);
        let item: Item = parse(json.as_bytes()).unwrap();
        assert_eq!(
            item.read(Said::default()).unwrap_err().code,
            "metadata_too_large"
        );
    }
}
