//! The NVIDIA GPUs of this machine, as its driver tells of them; none where there is no driver.

use std::env;

use nvml_wrapper::{Nvml, error::NvmlError};
use relevo_shared::worker::{Device, DeviceUsage, GpuInfo};
use serde_json::json;
use tracing::debug;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// The GPUs that this process may use.
#[must_use]
pub fn gpus() -> Vec<Device> {
    let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
    let all = all().unwrap_or_else(|reason| {
        debug!(%reason, "no GPU: no driver answers");
        Vec::new()
    });
    let usable = all.into_iter().enumerate().filter(|(number, gpu)| may_use(visible.as_deref(), *number, gpu));
    usable.map(|(_, gpu)| gpu).collect()
}

/// The GPU with the most memory, in the form that early orchestrators read.
#[must_use]
pub fn largest(gpus: &[Device]) -> Option<GpuInfo> {
    let memory = |gpu: &Device| gpu.memory_gb().unwrap_or_default();
    let largest = gpus.iter().max_by(|a, b| memory(a).total_cmp(&memory(b)))?;
    Some(GpuInfo { model: largest.model.clone().unwrap_or_default(), vram_gb: memory(largest) })
}

/// Measures what the GPUs do that this process may use.
pub(crate) struct GpuMeter(Option<(Nvml, Vec<Device>)>);

impl GpuMeter {
    /// A meter of the GPUs that are there now; of none where no driver answers.
    pub(crate) fn new() -> Self {
        let gpus = gpus();
        let driver = (!gpus.is_empty()).then(Nvml::init).and_then(Result::ok);
        Self(driver.map(|driver| (driver, gpus)))
    }

    /// How busy each GPU is and how much of its memory is in use, by whichever process. One that does not answer is left out.
    pub(crate) fn measure(&self) -> Vec<DeviceUsage> {
        let Some((driver, gpus)) = &self.0 else { return Vec::new() };
        let ids = gpus.iter().filter_map(|gpu| gpu.id.as_ref()?.as_str());
        ids.filter_map(|id| measured(driver, id).inspect_err(|reason| debug!(id, %reason, "a GPU is silent")).ok())
            .collect()
    }
}

fn measured(driver: &Nvml, id: &str) -> Result<DeviceUsage, NvmlError> {
    let gpu = driver.device_by_uuid(id)?;
    let memory = gpu.memory_info()?;
    let gib = |bytes: u64| (bytes as f64 / GIB * 1000.0).round() / 1000.0;
    let metrics = json!({ "memory_used_gb": gib(memory.used), "memory_total_gb": gib(memory.total) });
    Ok(DeviceUsage {
        unit_id: id.to_owned(),
        load_percent: f64::from(gpu.utilization_rates()?.gpu),
        metrics: metrics.as_object().cloned().unwrap_or_default(),
    })
}

fn all() -> Result<Vec<Device>, NvmlError> {
    let driver = Nvml::init()?;
    let gpus = (0..driver.device_count()?).map(|index| {
        let gpu = driver.device_by_index(index)?;
        let memory_gb = (gpu.memory_info()?.total as f64 / GIB * 10.0).round() / 10.0;
        Ok(Device {
            kind: "gpu".to_owned(),
            model: Some(gpu.name()?),
            id: Some(gpu.uuid()?.into()),
            properties: json!({ "memory_gb": memory_gb }).as_object().cloned(),
        })
    });
    gpus.collect()
}

/// Whether `CUDA_VISIBLE_DEVICES` names a GPU, by its number or by the start of its id. All are named where it is not set.
fn may_use(visible: Option<&str>, number: usize, gpu: &Device) -> bool {
    let Some(visible) = visible else { return true };
    let id = gpu.id.as_ref().and_then(|id| id.as_str()).unwrap_or_default();
    let names = |word: &str| word.parse() == Ok(number) || (word.starts_with("GPU-") && id.starts_with(word));
    visible.split(',').map(str::trim).any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(id: &str, memory_gb: f64) -> Device {
        let properties = json!({ "memory_gb": memory_gb }).as_object().cloned();
        Device { kind: "gpu".to_owned(), model: Some(format!("model of {id}")), id: Some(id.into()), properties }
    }

    #[test]
    fn the_largest_gpu_stands_for_all() {
        let largest = largest(&[gpu("GPU-a", 16.0), gpu("GPU-b", 79.6), gpu("GPU-c", 24.0)]).unwrap();

        assert_eq!((largest.model.as_str(), largest.vram_gb), ("model of GPU-b", 79.6));
    }

    #[test]
    fn gpus_that_were_hidden_from_this_process_are_not_told_of() {
        let second = gpu("GPU-7f3a-11", 16.0);

        for naming in [None, Some("1"), Some("0, 1"), Some("GPU-7f3a")] {
            assert!(may_use(naming, 1, &second), "{naming:?}");
        }
        for hiding in ["", "0", "-1", "GPU-8", "none"] {
            assert!(!may_use(Some(hiding), 1, &second), "{hiding}");
        }
    }
}
