//! Row-level security: the database itself keeps the workspaces apart, whatever a statement says.
//!
//! Each table of workspaces has a policy that shows and takes rows of one workspace, the one in a
//! setting of the transaction ([`PostgresSession::confine`]). Without the setting no row matches.
//! Statements that read all workspaces set [`EVERY`], which opens the two tables they read, those of
//! workspaces and of their ids, and hides the rows of all others.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::connect_options;
use super::session::PostgresSession;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids;

/// In the place of a workspace: the lists of workspaces can be read. No
/// workspace has this id.
const EVERY: &str = "*";

/// The workspace of statements that reach no table of workspaces.
const NONE: &str = "";

/// The tables of workspaces, as the catalogue knows them, and how far each is protected. Tables of
/// another owner are not of this service.
const TABLES: &str = "SELECT c.oid::regclass AS found, c.relname, c.relrowsecurity,
         c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
             SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'workspace')
             AS is_protected
     FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
         AND a.attname = 'workspace_id' AND NOT a.attisdropped
         AND c.relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('workspace'))";

/// Policies of a database that has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowSecurity {
    /// Whether indexes of terms and words may be used. Postgres compares rows of other workspaces
    /// only by operators that are marked as telling nothing about them, and by default these are not.
    finds_by_index: bool,
}

/// What the statements of a session reach.
pub(super) struct Reach {
    policies: RowSecurity,
    /// What the policies compare with. None until it is known.
    value: Option<String>,
}

impl Reach {
    pub(super) fn new(policies: RowSecurity) -> Self {
        Self { policies, value: None }
    }

    /// Fails if nobody said what is to be reached: the statement would find nothing, in silence.
    pub(super) fn ensure_known(&self) -> Result<()> {
        match self.value {
            Some(_) => Ok(()),
            None => Err(Error::internal("a statement ran before its workspace was known")),
        }
    }
}

impl PostgresSession {
    /// Lets the following statements reach this workspace and no other one.
    pub(super) async fn confine(&mut self, workspace_id: &str) -> Result<()> {
        // It becomes part of a statement, as `SET` takes no bound values. An id of another form
        // is of no workspace.
        let has_form = ids::validate_workspace_id(workspace_id).is_ok();
        self.reach(if has_form { workspace_id } else { NONE }).await
    }

    /// Lets the following statements read the lists of all workspaces.
    pub(super) async fn reach_lists(&mut self) -> Result<()> {
        self.reach(EVERY).await
    }

    /// For statements that reach no table of workspaces: keeps what was reached, if anything.
    pub(super) async fn reach_no_more(&mut self) -> Result<()> {
        match &self.reach {
            Some(Reach { value: None, .. }) => self.reach(NONE).await,
            _ => Ok(()),
        }
    }

    async fn reach(&mut self, value: &str) -> Result<()> {
        let Some(reach) = &self.reach else { return Ok(()) };
        if reach.value.as_deref() == Some(value) {
            return Ok(());
        }
        let begin = self.unsent_begin.map(|begin| format!("{begin}; ")).unwrap_or_default();
        // A local setting of a statement of its own: Citus passes it on to workers, and there is no
        // way to forget it at the end of the transaction.
        let set = AssertSqlSafe(format!("{begin}SET LOCAL contacts.workspace = '{value}'"));
        // Where this is interrupted, the transaction may have begun.
        self.unsent_begin = None;
        self.send(set).await?;
        if let Some(reach) = &mut self.reach {
            reach.value = Some(value.to_owned());
        }
        Ok(())
    }

    /// Whether indexes of terms and words find contacts.
    pub(super) fn finds_by_index(&self) -> bool {
        self.reach.as_ref().is_none_or(|reach| reach.policies.finds_by_index)
    }

    /// Whether `COPY` can write: Postgres refuses it on tables with policies.
    pub(super) fn can_copy(&self) -> bool {
        self.reach.is_none()
    }
}

/// Creates the policies of all tables, or removes them.
///
/// # Errors
/// When the role does not own the tables, when others use them for long, or on Citus.
pub async fn set_row_level_security(url: &str, on: bool) -> Result<()> {
    // Each table is locked for a moment, and whoever waits for that makes others wait.
    let options = connect_options(url)?.options([("lock_timeout", "10s")]);
    let mut connection = options.connect().await?;
    let changed = match on {
        true => protect(&mut connection).await,
        false => for_each_table(&mut connection, "relrowsecurity", UNPROTECT).await,
    };
    drop(connection.close().await);
    changed
}

/// Where policies are on, creates those of new tables.
pub(super) async fn complete(db: &mut PgConnection) -> Result<()> {
    let State { enabled, protected, tables, .. } = state(db).await?;
    if enabled > 0 && protected < tables {
        protect(db).await?;
    }
    Ok(())
}

async fn protect(db: &mut PgConnection) -> Result<()> {
    let is_citus = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')";
    if sqlx::query_scalar(is_citus).fetch_one(&mut *db).await? {
        return Err(on_citus());
    }
    let statements = format!(
        "EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.found);
         EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t.found);
         EXECUTE format('DROP POLICY IF EXISTS workspace ON %s', t.found);
         EXECUTE format('DROP POLICY IF EXISTS lists ON %s', t.found);
         EXECUTE format('CREATE POLICY workspace ON %s USING (workspace_id =
             NULLIF(current_setting(''contacts.workspace'', true), ''''))', t.found);
         IF t.relname IN ('workspace', 'workspace_list') THEN
             EXECUTE format('CREATE POLICY lists ON %s FOR SELECT USING
                 (current_setting(''contacts.workspace'', true) = ''{EVERY}'')', t.found);
         END IF;"
    );
    for_each_table(db, "NOT is_protected", &statements).await
}

const UNPROTECT: &str = "EXECUTE format('DROP POLICY IF EXISTS workspace ON %s', t.found);
    EXECUTE format('DROP POLICY IF EXISTS lists ON %s', t.found);
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', t.found);
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', t.found);";

/// Runs statements of PL/pgSQL for each table `t` of [`TABLES`] that meets a condition.
async fn for_each_table(db: &mut PgConnection, condition: &str, statements: &str) -> Result<()> {
    // Several servers may migrate at once.
    let sql = format!(
        "DO $$
         DECLARE
             t record;
         BEGIN
             PERFORM pg_advisory_xact_lock(hashtext('contacts row-level security'));
             FOR t IN SELECT * FROM ({TABLES}) AS t WHERE {condition} ORDER BY relname LOOP
                 {statements}
             END LOOP;
         END $$"
    );
    db.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Numbers of tables that belong to workspaces.
#[derive(sqlx::FromRow)]
struct State {
    tables: i64,
    /// Those with row-level security.
    enabled: i64,
    /// Those with all that it needs.
    protected: i64,
    /// Those whose policies this role is subject to.
    active: i64,
    finds_by_index: bool,
}

async fn state(db: &mut PgConnection) -> Result<State> {
    let sql = format!(
        "SELECT count(*) AS tables, count(*) FILTER (WHERE relrowsecurity) AS enabled,
             count(*) FILTER (WHERE is_protected) AS protected,
             count(*) FILTER (WHERE row_security_active(found)) AS active,
             (SELECT bool_and(proleakproof) FROM pg_proc
              WHERE oid IN ('pg_catalog.arraycontains'::regproc, 'pg_catalog.arrayoverlap'::regproc,
                            'pg_catalog.ts_match_vq'::regproc)) AS finds_by_index
         FROM ({TABLES}) AS t"
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).fetch_one(db).await?)
}

/// Finds out whether there are policies.
///
/// # Errors
/// When they do not protect all tables, or not from this role.
pub(super) async fn find(db: &mut PgConnection) -> Result<Option<RowSecurity>> {
    let State { tables, enabled, protected, active, finds_by_index } = state(db).await?;
    let message = match () {
        () if enabled == 0 => return Ok(None),
        () if protected < tables => {
            "row-level security is not on for all tables: run `contacts-service migrate \
             --row-level-security on`, or `off`"
        }
        () if active < tables => {
            "row-level security is on, but not for the role of the database URL: use one without \
             SUPERUSER and BYPASSRLS, or run `contacts-service migrate --row-level-security off`"
        }
        () => return Ok(Some(RowSecurity { finds_by_index })),
    };
    Err(Error::new(Reason::DatabaseUnavailable, message))
}

/// Fails if there are policies.
pub(super) async fn ensure_off(db: &mut PgConnection) -> Result<()> {
    match state(db).await?.enabled {
        0 => Ok(()),
        _ => Err(on_citus()),
    }
}

fn on_citus() -> Error {
    let message = "row-level security was never tried on Citus: use one of them without the other";
    Error::new(Reason::DatabaseUnavailable, message)
}
