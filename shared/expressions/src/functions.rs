//! The functions that conditions may call. Each sees its arguments and nothing else, answers alike every time, and
//! gives a value that is not much larger than what it got.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use arrow_schema::DataType;
use datafusion_common::{Result, TableReference, config::ConfigOptions, plan_err};
use datafusion_expr::{
    AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
    planner::{ContextProvider, ExprPlanner},
};
use datafusion_functions::{all_default_functions, core, datetime, unicode};

/// Names that people write, and that stand for functions which fulfil the promise above. `repeat`, `lpad`, `rpad` and
/// `replace` are not among them, because a short condition could make them fill the memory; nor is `levenshtein`, which
/// takes for ever on two long texts; nor are `now`, `random`, `uuid` and `version`, which look beyond the row.
const OFFERED: [&str; 72] = [
    // Numbers.
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "cos",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "pow",
    "power",
    "radians",
    "round",
    "signum",
    "sin",
    "sqrt",
    "tan",
    "trunc",
    // Text.
    "ascii",
    "bit_length",
    "btrim",
    "char_length",
    "character_length",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "initcap",
    "left",
    "length",
    "lower",
    "ltrim",
    "octet_length",
    "position",
    "regexp_count",
    "regexp_like",
    "reverse",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "translate",
    "trim",
    "upper",
    // Dates.
    "date_bin",
    "date_part",
    "date_trunc",
    "datepart",
    "datetrunc",
    "make_date",
    "to_date",
    "to_timestamp",
    // Anything.
    "coalesce",
    "greatest",
    "least",
    "nullif",
];

/// The functions that are there, by every name that they have.
static FUNCTIONS: LazyLock<BTreeMap<&'static str, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let all = all_default_functions();
    let by_name: HashMap<&str, &Arc<ScalarUDF>> = all
        .iter()
        .flat_map(|udf| udf.aliases().iter().map(String::as_str).chain([udf.name()]).map(move |name| (name, udf)))
        .collect();
    OFFERED.iter().filter_map(|name| Some((*name, Arc::clone(by_name.get(name)?)))).collect()
});

/// Every function that a condition may call, sorted by name.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    OFFERED.iter().copied()
}

/// The function of this name, in any case.
pub(crate) fn offered(name: &str) -> bool {
    let name = name.to_lowercase();
    OFFERED.contains(&name.as_str())
}

/// What DataFusion's planner may ask for: the functions above, and no table at all.
pub(crate) struct Surroundings {
    options: ConfigOptions,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

impl Surroundings {
    pub(crate) fn new() -> Self {
        let planners: Vec<Arc<dyn ExprPlanner>> = vec![
            Arc::new(core::planner::CoreFunctionPlanner::default()),
            Arc::new(datetime::planner::DatetimeFunctionPlanner),
            Arc::new(unicode::planner::UnicodeFunctionPlanner),
        ];
        Self { options: ConfigOptions::default(), planners }
    }
}

impl ContextProvider for Surroundings {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        plan_err!("there is no table {name}")
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        FUNCTIONS.get(name).map(Arc::clone)
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, _: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        function_names().map(str::to_owned).collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
