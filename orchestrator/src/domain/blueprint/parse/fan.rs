//! Reads Parallel and Map states.

use serde_json::Value;

use super::{
    fields::Fields,
    machine::Level,
    values::{Sees, arguments, items, percentage, template, whole},
    work,
};
use crate::domain::blueprint::{
    fan::{Batcher, MapState, Parallel, Processor, Tolerated},
    fault::join_index,
    jsonata,
    model::Kind,
    template::{Language, Template},
};

const INLINE_ONLY: &str = "belongs to the mode DISTRIBUTED, which is not offered: every Map runs INLINE";

/// The largest input of a batch that the language allows, in bytes.
const MAX_BATCH_BYTES: u32 = 262_144;

pub(super) fn parallel(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    let parameters = arguments(fields);
    if !fields.has("Branches") {
        fields.missing("Branches", "is missing: write at least one machine, with `StartAt` and `States`");
    }
    let items = fields.items("Branches").unwrap_or_default();
    let path = fields.at("Branches");
    let mut branches = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(mut branch) = Fields::of(item, join_index(&path, index), fields.faults) else { continue };
        branches.extend(processor(&mut branch, item, level));
        branch.close();
    }
    let work = work::read(fields, level);
    let complete = !items.is_empty() && branches.len() == items.len();
    let work = work.filter(|_| complete)?;
    Some(Kind::Parallel(Box::new(Parallel { parameters, branches, work })))
}

pub(super) fn map(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    fields.refuse(&["ItemReader", "ResultWriter", "Label"], INLINE_ONLY);
    let items = items(fields);
    let selector = selector(fields);
    let processor = item_processor(fields, level);
    let batcher = batcher(fields);
    let max_concurrency = whole(fields, "MaxConcurrency", "MaxConcurrencyPath", 0..=u32::MAX);
    let tolerated = Tolerated {
        count: whole(fields, "ToleratedFailureCount", "ToleratedFailureCountPath", 0..=u32::MAX),
        percentage: percentage(fields, "ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
    };
    let work = work::read(fields, level)?;
    let processor = processor?;
    Some(Kind::Map(Box::new(MapState { items, selector, processor, batcher, max_concurrency, tolerated, work })))
}

/// Reads `ItemSelector`, or `Parameters` as JSONPath called it before.
fn selector(fields: &mut Fields<'_, '_>) -> Option<Template> {
    if fields.language() == Language::JsonPath {
        fields.only_one_of(&["ItemSelector", "Parameters"]);
        if !fields.has("ItemSelector") {
            return template(fields, "Parameters", Sees::Nothing);
        }
    }
    template(fields, "ItemSelector", Sees::Nothing)
}

/// Reads `ItemProcessor`, or `Iterator` as it was called before.
fn item_processor(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Processor> {
    let Some(name) = fields.only_one_of(&["ItemProcessor", "Iterator"]) else {
        fields.missing("ItemProcessor", "is missing: write a machine with `StartAt` and `States`");
        return None;
    };
    let value = fields.value(name)?;
    let path = fields.at(name);
    let mut inner = Fields::of(value, path, fields.faults)?;
    if let Some(config) = inner.value("ProcessorConfig")
        && let Some(mut config) = Fields::of(config, inner.at("ProcessorConfig"), inner.faults)
    {
        config.parsed("Mode", |mode| match mode {
            "INLINE" => Ok(()),
            "DISTRIBUTED" => Err("`DISTRIBUTED` is not offered: write `INLINE` or take the field out".to_owned()),
            other => Err(format!("must be `INLINE`, not `{other}`")),
        });
        config.refuse(&["ExecutionType"], INLINE_ONLY);
        config.close();
    }
    let processor = processor(&mut inner, value, level);
    inner.close();
    processor
}

/// Reads the machine of a branch.
fn processor(fields: &mut Fields<'_, '_>, value: &Value, level: &mut Level<'_>) -> Option<Processor> {
    fields.text("Comment");
    let start = level.branch(fields)?;
    Some(Processor { start, wants_item: mentions_context(value) })
}

/// Whether a text in `value` may read the context object. One that only looks like it costs a copy of the item.
fn mentions_context(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("$$") || jsonata::mentions_context(text),
        Value::Array(items) => items.iter().any(mentions_context),
        Value::Object(fields) => fields.values().any(mentions_context),
        _ => false,
    }
}

fn batcher(fields: &mut Fields<'_, '_>) -> Option<Batcher> {
    let value = fields.value("ItemBatcher")?;
    let path = fields.at("ItemBatcher");
    let mut inner = fields.within(value, path)?;
    let input = template(&mut inner, "BatchInput", Sees::Nothing);
    let max_items = whole(&mut inner, "MaxItemsPerBatch", "MaxItemsPerBatchPath", 1..=u32::MAX);
    let max_bytes = whole(&mut inner, "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", 1..=MAX_BATCH_BYTES);
    let limits = ["MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"];
    if !limits.iter().any(|limit| inner.has(limit)) {
        inner.fault("has to say how large a batch is: write `MaxItemsPerBatch` or `MaxInputBytesPerBatch`");
    }
    inner.close();
    Some(Batcher { input, max_items, max_bytes })
}
