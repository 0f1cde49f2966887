//! The tables of a stream, by the relation ids that its messages use.
//!
//! A relation is compiled when its RELATION message comes, which the server sends before the first
//! change of a table and again after DDL; everything else is looked up here.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event;
use crate::log::Topic;
use crate::lsn::Lsn;
use crate::postgres::pgoutput::Relation;
use crate::postgres::types::{Modes, TypeInfo, TypeKind, TypeRegistry};
use crate::postgres::{SqlClient, catalog, connect_sql};
use crate::topic::TopicName;

use super::context::Context;
use super::error::Error;
use super::outgoing::Outgoing;
use super::table::{Compiler, Layout, Table};

/// Oids below are built in and known without the catalogue (`FirstNormalObjectId`).
const FIRST_USER_OID: u32 = 16_384;

/// The tables a stream has met.
#[derive(Debug)]
pub(super) struct Tables {
    sql: SqlClient,
    registry: TypeRegistry,
    modes: Modes,
    /// `None` for a relation that is not captured.
    by_relation: HashMap<u32, Option<Table>>,
}

impl Tables {
    pub(super) fn new(sql: SqlClient) -> Tables {
        Tables {
            sql,
            registry: TypeRegistry::new(),
            modes: Modes::default(),
            by_relation: HashMap::new(),
        }
    }

    /// The table of a relation, or `None` where it is not captured.
    pub(super) fn captured(&self, relation: u32, lsn: Lsn) -> Result<Option<&Table>, Error> {
        match self.by_relation.get(&relation) {
            Some(table) => Ok(table.as_ref()),
            None => Err(Error::Protocol {
                lsn,
                what: format!("a change of relation {relation} came before its description"),
            }),
        }
    }

    /// Compiles a relation, or notes that it is not captured.
    pub(super) async fn on_relation(
        &mut self,
        context: &Context,
        relation: &Relation<'_>,
        out: &mut Outgoing,
    ) -> Result<(), Error> {
        if !context
            .config
            .tables
            .captures(relation.namespace, relation.name)
        {
            self.by_relation.insert(relation.id, None);
            return Ok(());
        }
        let shapes = self.shapes(context, relation).await?;
        let layout = Layout::of_relation(relation);
        let compiler = Compiler {
            context,
            registry: &self.registry,
            modes: &self.modes,
            topic: topic(context, relation.namespace, relation.name).await?,
            out,
        };
        let table = compiler.compile(&layout, shapes.first())?;
        self.by_relation.insert(relation.id, Some(table));
        Ok(())
    }

    /// What the catalogue knows of the relation now; types made since the start are read too.
    async fn shapes(
        &mut self,
        context: &Context,
        relation: &Relation<'_>,
    ) -> Result<Vec<catalog::TableShape>, Error> {
        // The connection is idle between RELATION messages and may have been cut by then.
        if self.sql.is_closed() {
            self.sql = connect_sql(&context.connection()).await?;
        }
        let oids = relation.columns.iter().map(|column| column.type_oid);
        learn_types(&mut self.registry, &self.sql, oids).await?;
        Ok(catalog::columns(&self.sql, &[relation.id]).await?)
    }
}

/// Adds to `registry` what the catalogue knows of the types that were made in the database.
pub(super) async fn learn_types(
    registry: &mut TypeRegistry,
    sql: &SqlClient,
    oids: impl Iterator<Item = u32>,
) -> Result<(), Error> {
    let unknown = |oid: &u32| *oid >= FIRST_USER_OID && registry.get(*oid).is_none();
    let unknown: Vec<u32> = oids.filter(unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    for info in catalog::types(sql, &unknown).await? {
        registry.insert(known_type(info));
    }
    Ok(())
}

/// A type of the catalogue as the decoder looks it up.
fn known_type(info: catalog::TypeInfo) -> TypeInfo {
    let kind = match (info.kind, info.element_oid) {
        (catalog::TypeKind::Base, Some(element_oid)) => TypeKind::Array { element_oid },
        (catalog::TypeKind::Base, None) => TypeKind::Base,
        (catalog::TypeKind::Enum, _) => TypeKind::Enum {
            labels: info.labels,
        },
        (catalog::TypeKind::Domain, _) => TypeKind::Domain {
            base_oid: info.base_oid.unwrap_or_default(),
            base_typmod: info.base_modifier,
        },
        (catalog::TypeKind::Composite, _) => TypeKind::Composite,
        (catalog::TypeKind::Range, _) => TypeKind::Range,
        (catalog::TypeKind::Multirange, _) => TypeKind::MultiRange,
        (catalog::TypeKind::Pseudo, _) => TypeKind::Pseudo,
    };
    TypeInfo {
        oid: info.oid,
        name: info.name,
        schema: info.schema,
        kind,
    }
}

/// The topic of a table's changes, made on first use.
pub(super) async fn topic(
    context: &Context,
    schema: &str,
    table: &str,
) -> Result<Arc<Topic>, Error> {
    let name = event::topic_name(&context.config.topic_prefix, schema, table);
    let named = TopicName::parse(&name);
    let named = named.map_err(|cause| Error::TopicName {
        table: format!("{schema}.{table}"),
        cause,
    })?;
    context.topic(&named).await
}
