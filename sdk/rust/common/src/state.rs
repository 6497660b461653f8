//! What one instance remembers: its settings from `configure`, its plugin from `open`.
//!
//! An instance serves one session and is never entered twice at once, so a thread-local cell is enough.

use crate::Fault;
use serde::de::DeserializeOwned;
use std::cell::RefCell;

#[doc(hidden)]
pub struct State<Settings, Plugin> {
    settings: RefCell<Option<Settings>>,
    plugin: RefCell<Option<Plugin>>,
}

impl<Settings: DeserializeOwned, Plugin> State<Settings, Plugin> {
    pub const fn new() -> Self {
        Self { settings: RefCell::new(None), plugin: RefCell::new(None) }
    }

    /// # Errors
    /// When the settings do not fit the plugin's type: its schema promises more than its code keeps.
    pub fn configure(
        &self,
        settings: &str,
        check: impl Fn(&Settings) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        crate::log::install_panic_hook();
        let parsed: Settings =
            serde_json::from_str(settings).map_err(|error| Fault::new("settings", error.to_string()))?;
        check(&parsed)?;
        *self.settings.borrow_mut() = Some(parsed);
        Ok(())
    }

    /// # Errors
    /// When `configure` was not called, or the plugin refuses.
    pub fn open(&self, open: impl FnOnce(&Settings) -> Result<Plugin, Fault>) -> Result<(), Fault> {
        let settings = self.settings.borrow();
        let settings = settings.as_ref().ok_or_else(|| Fault::new("order", "open before configure"))?;
        *self.plugin.borrow_mut() = Some(open(settings)?);
        Ok(())
    }

    /// # Errors
    /// When `open` was not called, or the call itself fails.
    pub fn call<Answer>(
        &self,
        call: impl FnOnce(&mut Plugin) -> Result<Answer, Fault>,
    ) -> Result<Answer, Fault> {
        let mut plugin = self.plugin.borrow_mut();
        call(plugin.as_mut().ok_or_else(|| Fault::new("order", "called before open"))?)
    }
}

impl<Settings: DeserializeOwned, Plugin> Default for State<Settings, Plugin> {
    fn default() -> Self {
        Self::new()
    }
}
