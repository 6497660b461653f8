//! Prints a deterministic transcript of what tokio-postgres sees: results, types, errors, notices.

use futures_util::{SinkExt, StreamExt, TryStreamExt, future, stream};
use std::pin::pin;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, SimpleQueryMessage};

type Outcome = Result<(), Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let read = |name: &str| std::env::var(name).unwrap_or_default();
    let mut config = tokio_postgres::Config::new();
    config.host(read("PGHOST")).port(read("PGPORT").parse()?).user(read("PGUSER"));
    config.password(read("PGPASSWORD")).dbname(read("PGDATABASE")).application_name("tokio-postgres client");
    let (client, mut connection) = config.connect(NoTls).await?;
    let (seen, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let mut stream = stream::poll_fn(move |context| connection.poll_message(context));
    tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            let line = match message {
                AsyncMessage::Notice(notice) => {
                    format!("notice {} {}", notice.code().code(), notice.message())
                }
                AsyncMessage::Notification(note) => {
                    format!("notification {} {}", note.channel(), note.payload())
                }
                _ => continue,
            };
            if seen.send(line).is_err() {
                break;
            }
        }
    });
    part("simple", simple(&client).await);
    part("extended", extended(&client).await);
    part("pipelined", pipelined(&client).await);
    part("portals", portals(client).await?.1);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    part("copy", copy(&client).await);
    part("cancel", cancel(&client).await);
    drop(client);
    while let Ok(Some(line)) = tokio::time::timeout(std::time::Duration::from_secs(10), messages.recv()).await
    {
        println!("{line}");
        if line.starts_with("notification") {
            break;
        }
    }
    Ok(())
}

fn part(name: &str, outcome: Outcome) {
    match outcome {
        Ok(()) => println!("=== {name}: done"),
        Err(error) => println!("=== {name}: {}", shown(&error)),
    }
}

fn shown(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {} {} {:?}", db.severity(), db.code().code(), db.message(), db.detail()),
        None => error.to_string(),
    }
}

async fn simple(client: &Client) -> Outcome {
    client.batch_execute("listen news; notify news, 'first'").await?;
    let messages = client
        .simple_query("select 1 as a; select full_name from customers order by id limit 2; begin; rollback")
        .await?;
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                println!("row {:?}", (0..row.len()).map(|at| row.get(at)).collect::<Vec<_>>())
            }
            SimpleQueryMessage::CommandComplete(count) => println!("complete {count}"),
            _ => {}
        }
    }
    println!("{}", shown(&client.batch_execute("select 1; selekt 2").await.expect_err("a syntax error")));
    client.batch_execute("do $$ begin raise notice 'hear %', 42; end $$").await
}

async fn extended(client: &Client) -> Outcome {
    let statement =
        client.prepare("select $1::int4 + 1, $2::text, $3::float8, $4::bool, $5::bytea, $6::int8[]").await?;
    println!(
        "{:?} -> {:?}",
        statement.params(),
        statement.columns().iter().map(|column| column.type_()).collect::<Vec<_>>()
    );
    for round in 0..20i32 {
        let row = client
            .query_one(&statement, &[&round, &"zoë", &1.5f64, &true, &&b"\x00\xff"[..], &vec![1i64, 2]])
            .await?;
        let values: (i32, &str, f64, bool, Vec<u8>, Vec<i64>) =
            (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5));
        if round % 10 == 0 {
            println!("{values:?}");
        }
    }
    let none: Option<String> = client.query_one("select null::text", &[]).await?.get(0);
    println!("{none:?}");
    println!("{}", shown(&client.query("select $1::int4 / 0", &[&1i32]).await.expect_err("a division")));
    println!("{}", client.execute("create temporary table t (a int primary key, b text)", &[]).await?);
    println!(
        "{}",
        client.execute("insert into t select g, 'x' || g from generate_series(1, 1000) g", &[]).await?
    );
    println!(
        "{}",
        shown(&client.execute("insert into t values (1, 'again')", &[]).await.expect_err("a duplicate"))
    );
    Ok(())
}

async fn pipelined(client: &Client) -> Outcome {
    let statement = client.prepare("select a, b from t where a = $1").await?;
    let keys: Vec<i32> = (1..=100).collect();
    let rows = future::try_join_all(keys.iter().map(|key| {
        let (client, statement) = (client, statement.clone());
        async move { client.query_one(&statement, &[key]).await }
    }))
    .await?;
    println!("{}", rows.iter().map(|row| i64::from(row.get::<_, i32>(0))).sum::<i64>());
    let (good, bad, after) = tokio::join!(
        client.query_one("select 1", &[]),
        client.query_one("select 1/0", &[]),
        client.query_one("select 3", &[])
    );
    println!(
        "{} {} {}",
        good?.get::<_, i32>(0),
        shown(&bad.expect_err("a division")),
        after?.get::<_, i32>(0)
    );
    Ok(())
}

async fn portals(mut client: Client) -> Result<(Client, Outcome), Error> {
    let transaction = client.transaction().await?;
    let portal = transaction.bind("select a from t order by a", &[]).await?;
    for _ in 0..3 {
        let rows = transaction.query_portal(&portal, 300).await?;
        println!("{} rows up to {:?}", rows.len(), rows.last().map(|row| row.get::<_, i32>(0)));
    }
    let mut streamed = pin!(transaction.query_raw("select b from t where a > $1", [&990i32]).await?);
    while let Some(row) = streamed.try_next().await? {
        println!("{}", row.get::<_, &str>(0));
    }
    transaction.rollback().await?;
    Ok((client, Ok(())))
}

async fn copy(client: &Client) -> Outcome {
    client.batch_execute("create temporary table c (a int, b text)").await?;
    let mut sink = pin!(client.copy_in("copy c from stdin").await?);
    for at in 0..5000 {
        sink.send(std::io::Cursor::new(format!("{at}\tline {at}\n").into_bytes())).await?;
    }
    println!("copied {}", sink.finish().await?);
    let out: Vec<_> = client
        .copy_out("copy (select * from c where a % 1000 = 0 order by a) to stdout csv")
        .await?
        .try_collect()
        .await?;
    for line in out {
        print!("{}", String::from_utf8_lossy(&line));
    }
    Ok(())
}

async fn cancel(client: &Client) -> Outcome {
    let token = client.cancel_token();
    let (slept, cancelled) =
        tokio::join!(client.query("select pg_sleep(60) as tokio_to_cancel", &[]), async {
            // The server itself says when the query is under way; a cancel before would find nothing.
            let await_query = concat!(env!("CARGO_MANIFEST_DIR"), "/../await-query");
            let seen = tokio::process::Command::new(await_query).arg("tokio_to_cancel").status().await;
            assert!(seen.is_ok_and(|status| status.success()), "the query never ran");
            token.cancel_query(NoTls).await
        });
    cancelled?;
    println!("{}", shown(&slept.expect_err("a cancelled query")));
    println!("{}", client.query_one("select 'alive'", &[]).await?.get::<_, &str>(0));
    Ok(())
}
