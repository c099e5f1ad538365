//! Accepts a job: everything is checked before anything is stored.

use std::sync::Arc;

use relevo_shared::{JobId, dataset::TableRef, job::CreateJob, problem::Detail};
use serde_json::{Map, Value};

use super::{Engine, step::OwnedFacts};
use crate::{
    domain::blueprint::{self, Blueprint},
    error::{Error, Result},
    store::NewJob,
    time::now_ms,
};

impl Engine {
    /// Accepts a job for the blueprint at this endpoint.
    ///
    /// # Errors
    /// When there is no such blueprint, the input does not fit it, its dataset is unknown, or Redis is away.
    pub async fn create_job(&self, client: &str, endpoint: &str, request: CreateJob) -> Result<JobId> {
        let blueprint = self.catalogue.at(endpoint)?;
        refuse_what_is_not_offered(&request)?;
        let input = blueprint.fill(request.initial_data.unwrap_or_default()).map_err(Error::invalid_fields)?;
        let source = self.pin_source(&blueprint, input.as_object()).await?;
        self.catalogue.pin(&self.store, &blueprint).await?;

        let id = JobId::fresh();
        let now = now_ms();
        let source_text = source.as_ref().map(Value::to_string);
        let input_text = input.to_string();
        let facts = OwnedFacts::new(id, input, source, now, now);
        let step = blueprint::start(&blueprint, &facts.borrow());
        let write = self.write_of(id, 0, 0, false, &step).await?;
        let job = NewJob {
            id,
            client: client.to_owned(),
            blueprint: blueprint.name.clone(),
            hash: blueprint.hash().to_owned(),
            input: input_text,
            source: source_text,
            priority: 0,
        };
        self.store.submit_job(&job, &write).await?;
        self.metrics.job_created(&blueprint.name);
        Ok(id)
    }

    /// Finds the table that a job reads and holds it at its present commit, so that every attempt reads the same rows.
    async fn pin_source(
        &self,
        blueprint: &Arc<Blueprint>,
        input: Option<&Map<String, Value>>,
    ) -> Result<Option<Value>> {
        let text = |name: &str| input.and_then(|input| input.get(name)).map(dataset_name);
        let Some(id) = text("dataset_id").filter(|_| blueprint.input.pointer("/properties/dataset_id").is_some())
        else {
            return Ok(None);
        };
        let table_key = text("table_key").unwrap_or_else(|| "primary".to_owned());
        let source_ref = text("source_ref").unwrap_or_else(|| "main".to_owned());
        let (table, known) = self.store.table(&id, &table_key, &source_ref).await?;
        let Some(table) = table else {
            if known.is_empty() {
                return Err(Error::invalid("initial_data.dataset_id", format!("there is no dataset {id:?}")));
            }
            if known.contains(&table_key) {
                let reason = format!("table {table_key:?} of dataset {id:?} has no commit {source_ref:?}");
                return Err(Error::invalid("initial_data.source_ref", reason));
            }
            let reason = format!("dataset {id:?} has no table {table_key:?}; its tables: {}", known.join(", "));
            return Err(Error::invalid("initial_data.table_key", reason));
        };
        check_columns(blueprint, input, &table)?;
        Ok(Some(serde_json::to_value(table).expect("a table has string keys only")))
    }
}

/// Refuses columns that the table does not have. A property of the input with `"format": "column"` names one.
fn check_columns(blueprint: &Blueprint, input: Option<&Map<String, Value>>, table: &TableRef) -> Result<()> {
    let known = || table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    for name in column_properties(&blueprint.input) {
        let wanted = match input.and_then(|input| input.get(name)) {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        if let Some(missing) = wanted.iter().find(|wanted| table.columns.iter().all(|column| column.name != **wanted)) {
            let reason = format!("the table has no column {missing:?}; its columns: {}", known());
            return Err(Error::invalid(format!("initial_data.{name}"), reason));
        }
    }
    Ok(())
}

/// Refuses members that would be stored and then not acted on: a client that relies on one must hear of it.
fn refuse_what_is_not_offered(request: &CreateJob) -> Result<()> {
    let given = [
        ("webhook_url", request.webhook_url.is_some()),
        ("dispatch_timeout", request.dispatch_timeout.is_some()),
        ("result_timeout", request.result_timeout.is_some()),
    ];
    let refused = given.into_iter().filter(|(_, given)| *given);
    let details: Vec<Detail> =
        refused.map(|(name, _)| Detail::new(name, "is not offered by this release; leave it out")).collect();
    if details.is_empty() { Ok(()) } else { Err(Error::invalid_fields(details)) }
}

/// The properties of an input schema that name columns of its table: those of `"format": "column"`, or lists of such.
fn column_properties(schema: &Value) -> impl Iterator<Item = &str> {
    let named = |schema: &Value| schema.get("format").is_some_and(|format| format == "column");
    let names = move |property: &Value| {
        let branches = property.get("anyOf").or_else(|| property.get("oneOf")).and_then(Value::as_array);
        std::iter::once(property)
            .chain(branches.into_iter().flatten())
            .any(|branch| named(branch) || branch.get("items").is_some_and(named))
    };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.filter(move |(_, property)| names(property)).map(|(name, _)| name.as_str())
}

/// A dataset's name as text: a number names the dataset of the same digits.
fn dataset_name(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
