//! The same contacts in listmonk's tables, and the statements that it reads and imports them with:
//! of the same shape as those of its queries/subscribers.sql (AGPL-3.0), written anew.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection, Row};

use super::Result;
use super::data::TAG;

/// Subscribers of one query of an export, and of one transaction of an import, by default.
const EXPORT: i64 = 1000;
const TRANSACTION: usize = 10_000;

/// What its pages and counts join, with the lists and the status as the first parameters.
macro_rules! subscribers {
    ($what:literal, $lists:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM subscribers AS s LEFT JOIN subscriber_lists AS l
               ON (CASE WHEN cardinality($1::int[]) > 0 THEN true ELSE false END)
              AND l.subscriber_id = s.id AND ($2 = '' OR l.status = $2::subscription_status)
             WHERE ",
            $lists,
            "
               AND (CASE WHEN $3 <> '' THEN s.name ~* $3 OR s.email ~* $3 ELSE true END) ",
            $rest
        )
    };
}

const COUNT: &str =
    subscribers!("count(*)", "(cardinality($1) = 0 OR l.list_id = ANY($1::int[]))", "");
const COUNT_SEGMENT: &str = subscribers!(
    "count(*)",
    "(cardinality($1) = 0 OR l.list_id = ANY($1::int[]))",
    "AND s.attribs->>'tier' = 'Gold'"
);
const PAGE: &str = subscribers!(
    "s.*",
    "(cardinality($1) = 0 OR l.list_id = ANY($1::int[]))",
    "ORDER BY s.id DESC OFFSET $4 LIMIT 50"
);
const SEGMENT: &str = subscribers!(
    "s.id, s.uuid, s.email, s.name, s.status::text, s.attribs, s.created_at, s.updated_at",
    "l.list_id = ALL($1::int[]) AND s.id > $4",
    "AND s.attribs->>'tier' = 'Gold' ORDER BY s.id LIMIT $5"
);
const IMPORT: &str = "WITH subscriber AS (
        INSERT INTO subscribers AS s (uuid, email, name, attribs, status)
        VALUES (gen_random_uuid(), $1, $2, $3::jsonb, 'enabled')
        ON CONFLICT (email) DO UPDATE SET
            name = CASE WHEN $6 THEN $2 ELSE s.name END,
            attribs = CASE WHEN $6 THEN $3::jsonb ELSE s.attribs END,
            updated_at = now()
        RETURNING id, status
    )
    INSERT INTO subscriber_lists (subscriber_id, list_id, status)
    SELECT subscriber.id, list_id,
           CASE WHEN subscriber.status = 'blocklisted' THEN 'unsubscribed'
                ELSE $5::subscription_status END
    FROM subscriber, unnest($4::int[]) AS list_id
    ON CONFLICT (subscriber_id, list_id) DO UPDATE SET
        updated_at = now(),
        status = CASE WHEN $7 THEN EXCLUDED.status ELSE subscriber_lists.status END";

pub struct Listmonk {
    db: PgConnection,
    /// The list of those with [`TAG`].
    list: Vec<i32>,
}

impl Listmonk {
    /// Makes the tables in the database of the service, and fills them with all its contacts but the
    /// last, which are left to be imported.
    pub async fn fill(url: &str, without: u64) -> Result<Self> {
        let mut db = PgConnection::connect(url).await?;
        db.execute(include_str!("listmonk.sql")).await?;
        sqlx::query(
            "INSERT INTO subscribers (uuid, email, name, attribs)
             SELECT gen_random_uuid(), email, name, attribs FROM person
             WHERE place <= (SELECT count(*) FROM person) - $1 ORDER BY place",
        )
        .bind(without as i64)
        .execute(&mut db)
        .await?;
        db.execute(
            "INSERT INTO subscriber_lists (subscriber_id, list_id, status)
             SELECT s.id, list_id, p.status::subscription_status
             FROM subscribers AS s JOIN person AS p USING (email), unnest(p.list_ids) AS list_id",
        )
        .await?;
        db.execute("ANALYZE subscribers, subscriber_lists").await?;
        let list = sqlx::query_scalar("SELECT id FROM lists WHERE name = $1").bind(TAG);
        let list = vec![list.fetch_one(&mut db).await?];
        Ok(Self { db, list })
    }

    /// Imports so many of those that are left: a statement for each. Returns how long it took.
    pub async fn import(&mut self, rows: u64) -> Result<Duration> {
        let people = sqlx::query(
            "SELECT email, name, attribs::text, list_ids, status FROM person AS p
             WHERE place > (SELECT count(*) FROM subscribers) ORDER BY place LIMIT $1",
        );
        let people = people.bind(rows as i64).fetch_all(&mut self.db).await?;
        if people.len() as u64 != rows {
            return Err("too few subscribers are left to import".into());
        }
        let started = Instant::now();
        for people in people.chunks(TRANSACTION) {
            let mut transaction = self.db.begin().await?;
            for row in people {
                let import =
                    sqlx::query(IMPORT).bind(row.get::<&str, _>(0)).bind(row.get::<&str, _>(1));
                let import = import.bind(row.get::<&str, _>(2)).bind(row.get::<Vec<i32>, _>(3));
                let import = import.bind(row.get::<&str, _>(4)).bind(true).bind(true);
                import.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        Ok(started.elapsed())
    }

    /// Counts the segment.
    pub async fn count(&mut self) -> Result<u64> {
        let count = sqlx::query_scalar(COUNT_SEGMENT).bind(&self.list).bind("confirmed").bind("");
        Ok(count.fetch_one(&mut self.db).await.map(i64::cast_unsigned)?)
    }

    /// Exports the segment: a query for each part, from the last id on. Returns how many there were.
    pub async fn export(&mut self) -> Result<u64> {
        let (mut last, mut count) = (0_i32, 0);
        loop {
            let select = sqlx::query(SEGMENT).bind(&self.list).bind("confirmed").bind("");
            let rows = select.bind(last).bind(EXPORT).fetch_all(&mut self.db).await?;
            let Some(row) = rows.last() else { return Ok(count) };
            (last, count) = (row.get(0), count + rows.len() as u64);
        }
    }

    /// A page of a search, and the count that its page shows.
    pub async fn search(&mut self, pattern: &str) -> Result<u64> {
        let all: &[i32] = &[];
        let count = sqlx::query_scalar::<_, i64>(COUNT).bind(all).bind("").bind(pattern);
        count.fetch_one(&mut self.db).await?;
        self.page(pattern, 0).await
    }

    /// A page of 50.
    pub async fn page(&mut self, pattern: &str, offset: u64) -> Result<u64> {
        let all: &[i32] = &[];
        let page = sqlx::query(PAGE).bind(all).bind("").bind(pattern).bind(offset as i64);
        Ok(page.fetch_all(&mut self.db).await?.len() as u64)
    }
}
