//! What the devices of workers do: how much of it is kept, and what is told of all of them with a bounded number of names.

use relevo_shared::{
    WorkerId,
    worker::{DeviceUsage, Usage},
};

/// Devices of one worker that are kept, characters of the id of each, and figures beside its load.
const DEVICES: usize = 64;
const ID_CHARS: usize = 64;
const FIGURES: usize = 32;
/// GPUs that are told of one by one.
pub const MOST_GPUS: usize = 256;
/// What all others are called.
const OTHERS: &str = "other";
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What a worker says that it uses, with every list and text cut to its limit and every percentage between 0 and 100.
#[must_use]
pub fn within_limits(mut usage: Usage) -> Usage {
    usage.cpu_load_percent = usage.cpu_load_percent.map(percent);
    usage.ram_used_gb = usage.ram_used_gb.map(|gb| gb.max(0.0));
    let mut devices = usage.devices_usage.unwrap_or_default();
    devices.truncate(DEVICES);
    for device in &mut devices {
        if let Some((end, _)) = device.unit_id.char_indices().nth(ID_CHARS) {
            device.unit_id.truncate(end);
        }
        device.load_percent = percent(device.load_percent);
        let figures = std::mem::take(&mut device.metrics)
            .into_iter()
            .filter(|(name, value)| value.is_number() && name.chars().count() <= ID_CHARS);
        device.metrics = figures.take(FIGURES).collect();
    }
    usage.devices_usage = (!devices.is_empty()).then_some(devices);
    usage
}

fn percent(value: f64) -> f64 {
    value.clamp(0.0, 100.0)
}

/// How busy a GPU is, or several that share a name.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuLevel {
    /// The worker that has it.
    pub worker: String,
    /// Which of its GPUs.
    pub gpu: String,
    /// The share of the time in which it computed, 0 to 1.
    pub utilization: f64,
    /// Bytes of its memory that are in use, where the worker says so.
    pub memory_used: Option<f64>,
    /// Bytes of its memory, where the worker says so.
    pub memory_total: Option<f64>,
}

/// What is told of all GPUs: the first `most` of them one by one, in the order of their names, and the others as one, with their mean
/// utilisation and the sums of their memories.
#[must_use]
pub fn gpu_levels(workers: &[(WorkerId, Usage)], most: usize) -> Vec<GpuLevel> {
    let each = workers
        .iter()
        .flat_map(|(worker, usage)| usage.devices_usage.iter().flatten().map(move |device| level(worker, device)));
    let mut levels: Vec<GpuLevel> = each.collect();
    levels.sort_by(|a, b| (&a.worker, &a.gpu).cmp(&(&b.worker, &b.gpu)));
    levels.dedup_by(|a, b| (&a.worker, &a.gpu) == (&b.worker, &b.gpu));
    let others = levels.split_off(most.min(levels.len()));
    if !others.is_empty() {
        #[expect(clippy::cast_precision_loss, reason = "nobody has that many GPUs")]
        let count = others.len() as f64;
        let sum = |bytes: fn(&GpuLevel) -> Option<f64>| {
            let known: Vec<f64> = others.iter().filter_map(bytes).collect();
            (!known.is_empty()).then(|| known.iter().sum())
        };
        levels.push(GpuLevel {
            worker: OTHERS.to_owned(),
            gpu: OTHERS.to_owned(),
            utilization: others.iter().map(|level| level.utilization).sum::<f64>() / count,
            memory_used: sum(|level| level.memory_used),
            memory_total: sum(|level| level.memory_total),
        });
    }
    levels
}

fn level(worker: &WorkerId, device: &DeviceUsage) -> GpuLevel {
    let bytes = |name: &str| Some(device.metrics.get(name)?.as_f64()?.max(0.0) * GIB);
    GpuLevel {
        worker: worker.to_string(),
        gpu: device.unit_id.clone(),
        utilization: device.load_percent / 100.0,
        memory_used: bytes("memory_used_gb"),
        memory_total: bytes("memory_total_gb"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn usage(devices: &Value) -> Usage {
        serde_json::from_value(json!({ "cpu_load_percent": 12.5, "devices_usage": devices })).unwrap()
    }

    fn of(worker: &str, devices: &Value) -> (WorkerId, Usage) {
        (worker.parse().unwrap(), usage(devices))
    }

    #[test]
    fn what_a_worker_says_is_cut_to_what_can_be_kept() {
        let device = json!({ "unit_id": "é".repeat(100), "load_percent": 250.0,
            "metrics": { "memory_used_gb": 2, "note": "text", "x".repeat(65): 1 } });

        let kept = within_limits(usage(&json!(vec![device; 100])));

        let devices = kept.devices_usage.unwrap();
        assert_eq!((devices.len(), devices[0].unit_id.chars().count()), (64, 64));
        assert_eq!((devices[0].load_percent, devices[0].metrics.len()), (100.0, 1));
        assert_eq!(within_limits(usage(&json!([]))).devices_usage, None);
    }

    #[test]
    fn gpus_beyond_the_bound_share_one_name() {
        let device = |id: &str, load: f64, used: f64| json!({ "unit_id": id, "load_percent": load, "metrics": { "memory_used_gb": used, "memory_total_gb": 4 } });
        let workers = [
            of("b", &json!([device("1", 100.0, 1.0), device("0", 50.0, 1.0)])),
            of("a", &json!([{ "unit_id": "0", "load_percent": 20 }])),
            of("c", &json!([device("0", 0.0, 3.0)])),
        ];

        let all = gpu_levels(&workers, 10);
        let few = gpu_levels(&workers, 2);

        let names: Vec<_> = all.iter().map(|level| (level.worker.as_str(), level.gpu.as_str())).collect();
        assert_eq!(names, [("a", "0"), ("b", "0"), ("b", "1"), ("c", "0")]);
        assert_eq!((all[0].utilization, all[0].memory_used), (0.2, None));
        assert_eq!((all[1].memory_used, all[1].memory_total), (Some(GIB), Some(4.0 * GIB)));
        assert_eq!(few[..2], all[..2]);
        let others = GpuLevel {
            worker: "other".to_owned(),
            gpu: "other".to_owned(),
            utilization: 0.5,
            memory_used: Some(4.0 * GIB),
            memory_total: Some(8.0 * GIB),
        };
        assert_eq!(few[2..], [others]);
        assert_eq!(gpu_levels(&[], 2), []);
    }
}
