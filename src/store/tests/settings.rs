//! What a database is refused for, and several programs that bring it up to date at once.

use sqlx::{AssertSqlSafe, Row};

use crate::store::scratch::{Scratch, address, fact, on_each_engine, server};
use crate::store::{Database, Engine, StoreError};

on_each_engine!(a_newer_schema_is_refused, an_open_schema_is_opened_again);

async fn run(scratch: &Scratch, sql: &str) {
    let mut tx = scratch.database.begin().await.unwrap();
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn refused(scratch: &Scratch) -> StoreError {
    match Database::connect(&scratch.url()).await {
        Ok(_) => panic!("expected a refusal"),
        Err(error) => error,
    }
}

async fn a_newer_schema_is_refused() {
    let scratch = Scratch::open().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, \
                 execution_time) select 9000, 'x', success, checksum, 0 from _sqlx_migrations \
                 where version = 1";
    run(&scratch, newer).await;
    let error = refused(&scratch).await;
    assert!(matches!(error, StoreError::Newer { found: 9000, .. }), "{error}");
}

async fn an_open_schema_is_opened_again() {
    let scratch = Scratch::open().await;
    let again = Database::connect(&scratch.url()).await.unwrap();
    again.close().await;
}

#[tokio::test]
async fn a_schema_of_other_text_is_refused() {
    let scratch = Scratch::on(Engine::Postgres).await;
    run(&scratch, "update _sqlx_migrations set checksum = '\\x00' where version = 2").await;
    let error = refused(&scratch).await;
    assert!(matches!(error, StoreError::Upgrade { found: 2, .. }), "{error}");
}

#[tokio::test]
async fn several_programs_bring_an_empty_database_up_to_date_at_once() {
    let scratch = Scratch::on(Engine::Postgres).await;
    run(&scratch, "drop schema public cascade").await;
    run(&scratch, "create schema public").await;
    let url = scratch.url();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        opening.spawn(async move { Database::connect(&url).await.unwrap().close().await });
    }
    opening.join_all().await;
    let mut tx = scratch.database.snapshot().await.unwrap();
    let versions = "select count(*) as versions, count(distinct version) as of_them \
                    from _sqlx_migrations";
    let row = sqlx::query(versions).fetch_one(&mut *tx).await.unwrap();
    let (versions, different): (i64, i64) = (row.get("versions"), row.get("of_them"));
    assert!(versions == different && versions > 0, "{versions} {different}");
}

#[tokio::test]
async fn settings_that_can_lose_a_commit_are_refused() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let mut tx = scratch.database.snapshot().await.unwrap();
    let name: String = sqlx::query("select current_database()::text as name")
        .fetch_one(&mut *tx)
        .await
        .unwrap()
        .get("name");
    tx.commit().await.unwrap();
    run(&scratch, &format!("alter database \"{name}\" set synchronous_commit = off")).await;
    let text = refused(&scratch).await.to_string();
    let expected = "database setting synchronous_commit: expected any value but off, found off; \
                    the start is refused";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn who_is_not_there_or_not_let_in_is_named_without_the_password() {
    let url = address(&server(), "no-such-database");
    let Err(error) = Database::connect(&url).await else { panic!("expected a refusal") };
    let text = error.to_string();
    assert!(text.contains("no-such-database") && text.contains("does not exist"), "{text}");

    let (who, place) = url.rsplit_once('@').unwrap();
    let user = who.split(':').take(2).collect::<Vec<_>>().join(":");
    let url = format!("{user}:another-word@{place}");
    let Err(error) = Database::connect(&url).await else { panic!("expected a refusal") };
    let text = error.to_string();
    assert!(text.contains("password authentication failed"), "{text}");
    assert!(!text.contains("another-word"), "{text}");
}

/// `url` with these parameters.
fn with(url: &str, parameters: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{parameters}")
}

#[tokio::test]
async fn the_server_is_believed_by_its_certificate_alone() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let secrets = fact("ZHIBAO_KAFKA_SECRETS");
    let asked = format!("sslmode=verify-full&sslrootcert={secrets}/ca.pem");
    let database = Database::connect(&with(&scratch.url(), &asked)).await.unwrap();
    for mut tx in [database.begin().await.unwrap(), database.snapshot().await.unwrap()] {
        let sql = "select cast(ssl as int)::bigint as ssl from pg_stat_ssl \
                   where pid = pg_backend_pid()";
        let row = sqlx::query(sql).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(row.get::<i64, _>("ssl"), 1);
        tx.commit().await.unwrap();
    }
    database.close().await;
    // Another authority than the one that signed it.
    let asked = format!("sslmode=verify-full&sslrootcert={secrets}/meituan.pem");
    let Err(error) = Database::connect(&with(&scratch.url(), &asked)).await else {
        panic!("expected a refusal")
    };
    let text = error.to_string();
    assert!(text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn rows_of_days_far_away_are_kept_and_found() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let put = |day: i64| {
        format!("insert into segment values ('raw.x', 0, {day}, 'base', 0, 1, 1, 1, 1, 'b')")
    };
    for day in [0, 60_000] {
        run(&scratch, &put(day)).await;
    }
    // A month that gets a table later takes its rows along.
    let months = "select segment_months(59999, 60001)";
    run(&scratch, &format!("do $$ begin perform {}; end $$", &months[7..])).await;
    let mut tx = scratch.database.snapshot().await.unwrap();
    let sql = "select tableoid::regclass::text as place from segment order by day";
    let rows = sqlx::query(sql).fetch_all(&mut *tx).await.unwrap();
    let places: Vec<String> = rows.iter().map(|row| row.get("place")).collect();
    assert_eq!(places, ["segment_other", "segment_213404"]);
}
