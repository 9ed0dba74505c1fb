//! The contract of the store: the same tests against SQLite and Postgres.

use crate::postgres;
use netkin::embedding::Embedding;
use netkin::graph::Digest;
use netkin::store::{
    Access, ChangeKind, Config, Description, Edit, Error, Inserted, NewEntry, NewKey, Scope, Store,
};
use std::future::Future;
use std::time::Duration;
use tempfile::TempDir;

/// A database that is empty at first, and how to open it again.
struct Database {
    config: Config,
    _folder: Option<TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("netkin.db");
        Self {
            config: config(format!("sqlite://{}?mode=rwc", path.display())),
            _folder: Some(folder),
        }
    }

    fn postgres() -> Self {
        Self {
            config: config(postgres::database()),
            _folder: None,
        }
    }

    async fn open(&self) -> Store {
        Store::open(&self.config).await.unwrap()
    }
}

fn config(url: String) -> Config {
    Config {
        url,
        max_connections: 8,
        acquire_timeout_ms: 2_000,
        statement_timeout_ms: 10_000,
    }
}

/// Runs a test of the contract against every database.
fn contract<F: Future<Output = ()>>(test: impl Fn(Database) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    for database in [Database::sqlite(), Database::postgres()] {
        runtime.block_on(test(database));
    }
}

fn entry(collection: &str, number: u8) -> NewEntry {
    NewEntry {
        description: Description {
            collection: collection.into(),
            digest: Digest([number; 16]),
            coarse_digest: Digest([number / 2; 16]),
            operators: 10,
            edges: 9,
            parameters: i64::MAX,
            flops: 0,
            edit: Edit {
                name: format!("model {number}"),
                family: Some("resnet".into()),
                metadata: r#"{"team": "vision"}"#.into(),
                ..Edit::default()
            },
        },
        graph: vec![0, 255, number],
        embedding: None,
    }
}

async fn with_collection(database: &Database) -> Store {
    let store = database.open().await;
    assert!(store.create_collection("me", "team", "ours").await.unwrap());
    store
}

/// Stores entries; their ids.
async fn inserted(store: &Store, new: &[NewEntry]) -> Vec<String> {
    let inserted = store.insert("me", new).await.unwrap();
    inserted.into_iter().map(|one| one.id).collect()
}

async fn ids_after(store: &Store, after: i64) -> Vec<(String, ChangeKind)> {
    let changes = store.changes(after, 100).await.unwrap();
    assert!(changes.is_sorted_by_key(|change| change.seq));
    let changes = changes.into_iter();
    changes.map(|change| (change.entry, change.kind)).collect()
}

#[test]
fn an_entry_is_stored_once_and_comes_back_whole() {
    contract(async |database| {
        let store = with_collection(&database).await;
        let new = entry("team", 7);
        let id = format!("team/{}", new.description.digest);
        let once = |is_new| {
            vec![Inserted {
                id: id.clone(),
                is_new,
            }]
        };
        let insert = async || {
            store
                .insert("me", std::slice::from_ref(&new))
                .await
                .unwrap()
        };
        assert_eq!(insert().await, once(true));
        assert_eq!(insert().await, once(false));
        store.close().await;
        let store = database.open().await;
        let found = store
            .entries(&[id.clone(), "team/none".into()])
            .await
            .unwrap();
        assert_eq!(found.len(), 1);
        let found = &found[0];
        assert_eq!(found.description, new.description);
        assert_eq!(found.created_ms, found.updated_ms);
        assert_eq!(store.graph(&id).await.unwrap(), Some(new.graph.clone()));
        assert_eq!(store.graph("team/none").await.unwrap(), None);
        let graphs = store.graphs(&[id.clone(), "team/none".into()]).await;
        assert_eq!(graphs.unwrap(), [(id.clone(), new.graph.clone())]);
    });
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    contract(async |database| {
        let store = with_collection(&database).await;
        let batch = [entry("team", 1), entry("nobody", 2)];
        let refused = store.insert("me", &batch).await;
        assert!(matches!(refused, Err(Error::NoCollection(name)) if name == "nobody"));
        assert_eq!(store.list("team", "", 10).await.unwrap().entries, []);
        assert_eq!(ids_after(&store, 0).await, []);
    });
}

#[test]
fn a_list_is_walked_page_by_page() {
    contract(async |database| {
        let store = with_collection(&database).await;
        assert!(store.create_collection("me", "other", "").await.unwrap());
        let entries: Vec<NewEntry> = (0..7).map(|number| entry("team", number)).collect();
        store.insert("me", &entries).await.unwrap();
        store.insert("me", &[entry("other", 9)]).await.unwrap();
        let mut walked = Vec::new();
        let mut after = String::new();
        loop {
            let page = store.list("team", &after, 3).await.unwrap();
            walked.push(page.entries.len());
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(walked, [3, 3, 1]);
        let whole = store.list("team", "", 7).await.unwrap();
        assert_eq!((whole.entries.len(), whole.next), (7, None));
        assert!(whole.entries.is_sorted_by(|a, b| a.id < b.id));
    });
}

#[test]
fn edits_and_deletions_are_changes_and_are_told_once() {
    contract(async |database| {
        let store = with_collection(&database).await;
        let new = [entry("team", 1), entry("team", 2)];
        let ids = inserted(&store, &new).await;
        let seen = store.changes(0, 100).await.unwrap().last().unwrap().seq;
        let tasked = |edit: &mut Edit| edit.task = Some("segmentation".into());
        assert!(store.edit("me", &ids[0], tasked).await.unwrap());
        let mut expected = new[0].description.edit.clone();
        tasked(&mut expected);
        assert_eq!(
            store.entries(&ids[..1]).await.unwrap()[0].description.edit,
            expected
        );
        assert!(store.delete("me", &ids[1]).await.unwrap());
        assert!(!store.delete("me", &ids[1]).await.unwrap());
        assert!(!store.edit("me", &ids[1], tasked).await.unwrap());
        let changes = [
            (ids[0].clone(), ChangeKind::Written),
            (ids[1].clone(), ChangeKind::Deleted),
        ];
        assert_eq!(ids_after(&store, seen).await, changes);
        // Of each entry only the last change is left.
        assert_eq!(ids_after(&store, 0).await, changes);
        // What was deleted can be added again.
        assert!(store.insert("me", &new[1..]).await.unwrap()[0].is_new);
        let actions: Vec<String> = store
            .audit(0, 100)
            .await
            .unwrap()
            .into_iter()
            .map(|line| line.action)
            .collect();
        let all = [
            "create collection",
            "insert",
            "insert",
            "edit",
            "delete",
            "insert",
        ];
        assert_eq!(actions, all);
    });
}

#[test]
fn collections_are_deleted_when_they_are_empty() {
    contract(async |database| {
        let store = with_collection(&database).await;
        assert!(
            !store
                .create_collection("me", "team", "theirs")
                .await
                .unwrap()
        );
        let names: Vec<String> = store
            .collections()
            .await
            .unwrap()
            .into_iter()
            .map(|one| one.description)
            .collect();
        assert_eq!(names, ["ours"]);
        let id = store.insert("me", &[entry("team", 1)]).await.unwrap()[0]
            .id
            .clone();
        let refused = store.delete_collection("me", "team").await;
        assert!(matches!(refused, Err(Error::NotEmpty(_))), "{refused:?}");
        store.delete("me", &id).await.unwrap();
        store.delete_collection("me", "team").await.unwrap();
        let gone = store.delete_collection("me", "team").await;
        assert!(matches!(gone, Err(Error::NoCollection(_))), "{gone:?}");
    });
}

#[test]
fn embeddings_belong_to_a_model_and_go_with_their_entry() {
    contract(async |database| {
        let store = with_collection(&database).await;
        let new = [entry("team", 1), entry("team", 2)];
        let ids = inserted(&store, &new).await;
        let vector = |x: f32, y: f32| Embedding::normalised(vec![x, y]).unwrap();
        let of = |id: &str, x, y| (id.to_owned(), vector(x, y));
        let some = [
            of(&ids[0], 1.0, 0.0),
            of(&ids[1], 0.6, 0.8),
            of("team/gone", 1.0, 0.0),
        ];
        store.put_embeddings("one", &some).await.unwrap();
        store
            .put_embeddings("two", &[of(&ids[0], 0.0, 1.0)])
            .await
            .unwrap();
        store
            .put_embeddings("one", &[of(&ids[0], 0.0, 1.0)])
            .await
            .unwrap();
        let kept = async |model: &str| {
            let mut kept = store.embeddings(model, &ids).await.unwrap();
            kept.sort_by(|a, b| a.0.cmp(&b.0));
            kept
        };
        let both = kept("one").await;
        assert_eq!(both[0], of(&ids[0], 0.0, 1.0));
        assert_eq!(both.len(), 2);
        assert!(both[1].1.similarity(&vector(0.6, 0.8)).value() > 0.9999);
        store.delete("me", &ids[0]).await.unwrap();
        assert_eq!(kept("one").await, both[1..]);
        assert_eq!(kept("two").await, []);
        store.delete_embeddings("one").await.unwrap();
        assert_eq!(kept("one").await, []);
        // An embedding comes with its entry, too.
        let with = NewEntry {
            embedding: Some(("three".into(), vector(0.0, 1.0))),
            ..new[0].clone()
        };
        store.insert("me", &[with]).await.unwrap();
        assert_eq!(kept("three").await, [of(&ids[0], 0.0, 1.0)]);
    });
}

#[test]
fn a_key_opens_until_it_ends_or_is_revoked_and_is_kept_as_a_hash() {
    contract(async |database| {
        let store = with_collection(&database).await;
        let new = NewKey {
            name: "ci".into(),
            scope: Scope::Write,
            collection: Some("team".into()),
            expires_ms: None,
        };
        let (key, secret) = store.create_key("me", &new, [7; 32]).await.unwrap();
        let opens = async |secret: &str| store.keyring().await.unwrap().access(secret);
        let access = Access {
            key: key.id.clone(),
            scope: Scope::Write,
            collection: Some("team".into()),
        };
        assert_eq!(opens(secret.reveal()).await, Some(access));
        let other = secret.reveal().replace("07070707", "07070708");
        for wrong in [other.as_str(), "", "netkin_", "netkin_x_y", &key.id] {
            assert_eq!(opens(wrong).await, None, "{wrong}");
        }
        assert!(!format!("{secret:?}").contains("0707"));
        assert!(store.revoke_key("me", &key.id).await.unwrap());
        assert!(!store.revoke_key("me", &key.id).await.unwrap());
        assert_eq!(opens(secret.reveal()).await, None);
        let ended = NewKey {
            expires_ms: Some(1),
            ..new
        };
        let (_, secret) = store.create_key("me", &ended, [8; 32]).await.unwrap();
        assert_eq!(opens(secret.reveal()).await, None);
        let lasting = NewKey {
            expires_ms: None,
            ..ended
        };
        let (key, secret) = store.create_key("me", &lasting, [9; 32]).await.unwrap();
        assert!(opens(secret.reveal()).await.is_some());
        assert!(store.end_key("me", &key.id, 1).await.unwrap());
        assert_eq!(opens(secret.reveal()).await, None);
        assert_eq!(store.keys().await.unwrap().len(), 3);
    });
}

#[test]
fn writers_at_once_lose_nothing_and_their_changes_appear_in_order() {
    contract(async |database| {
        let store = with_collection(&database).await;
        let writers = (0..8u8).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..8 {
                    let new = entry("team", 8 * writer + number);
                    store.insert("me", &[new]).await.unwrap();
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        // A reader that follows meanwhile must see every change once.
        let (mut seen, mut last) = (Vec::new(), 0);
        while seen.len() < 64 {
            for change in store.changes(last, 5).await.unwrap() {
                last = change.seq;
                seen.push(change.entry);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 64);
        assert_eq!(ids_after(&store, last).await, []);
    });
}

#[test]
fn servers_that_start_at_once_make_the_tables_once() {
    contract(async |database| {
        let starts = (0..4).map(|_| {
            let config = database.config.clone();
            tokio::spawn(async move { Store::open(&config).await.unwrap().ping().await.unwrap() })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await.unwrap();
        }
    });
}

#[test]
fn another_server_hears_of_a_change() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::postgres();
        let (one, other) = (with_collection(&database).await, database.open().await);
        let mut listener = other.listen(&database.config.url).await.unwrap();
        one.insert("me", &[entry("team", 1)]).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(1), listener.heard());
        heard.await.unwrap().unwrap();
        assert_eq!(ids_after(&other, 0).await.len(), 1);
    });
}

#[test]
fn a_url_that_names_no_database_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let opened = runtime.block_on(Store::open(&config("mysql://localhost/x".into())));
    assert!(matches!(opened, Err(Error::Url)));
}
