//! The maskers of one session.
//!
//! `plan` looks at the generation in service and binds its slot to the instances it asked; `mask` for that slot
//! stays with them, whatever is swapped in between. So a masker may have two instances for a while: the one a
//! running result was planned with, and the newest. An instance goes when no slot is bound to it and it is not
//! the newest.
//!
//! Some plans that serve again are kept when no slot has them any more, each under a number of its own, because columns
//! alternate: over HTTP those of a request's texts with those of another route's. One may be in several slots.

use crate::convert::{LentColumns, LentOperation};
use crate::edits;
use crate::fault;
use crate::flat::FlatColumns;
use crate::load::Loaded;
use crate::masker_beside::{self, Said, ShadowPart};
use crate::masker_instance::{MaskerInstance, Wish};
use crate::metrics::count;
use crate::registry::{Current, Generation};
use crate::signs::{Sent, Signs};
use crate::state::Visit;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use weir_model::{Applied, Column, Fault, FaultSource, Operation, PluginName};
use weir_session::ports::{MaskPlan, Maskers};
use weir_session::traffic::{Batch, Masked};

/// An instance with the version it is of.
struct Resident {
    id: u64,
    loaded: Arc<Loaded>,
    instance: MaskerInstance,
}

struct Member {
    name: PluginName,
    residents: Vec<Resident>,
    /// what is tried beside it, in its newest version
    shadow: Option<Resident>,
}

/// A masker's part in a slot's plan.
struct Part {
    member: usize,
    resident: u64,
    wanted: Vec<bool>,
    rules: Vec<String>,
    signs: Option<Signs>,
}

/// Plans that serve again and are in no slot: routes and statements a session takes turns in.
const PLANS: usize = 16;

struct Planned {
    /// never used twice
    id: u64,
    /// what the maskers know it by; used again when it is gone
    number: u32,
    columns: usize,
    /// Only maskers that want something.
    parts: Vec<Part>,
    shadows: Vec<ShadowPart>,
    /// What the plan was made of, when all maskers said that it serves again.
    reusable: Option<Reusable>,
}

impl Planned {
    /// Whether it stays when no slot has it.
    fn is_kept_for(&self, generation: &Arc<Generation>) -> bool {
        self.reusable.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.generation, generation))
    }
}

struct Reusable {
    generation: Arc<Generation>,
    /// whom it was asked of: also those that want nothing
    asked: Vec<Arc<Loaded>>,
    columns: FlatColumns,
    plan: MaskPlan,
}

impl Reusable {
    fn serves(&self, seen: &Weak<Generation>, columns: &[Column]) -> bool {
        let all_serve = self.asked.iter().all(|loaded| loaded.is_trusted());
        std::ptr::eq(Arc::as_ptr(&self.generation), seen.as_ptr()) && all_serve && self.columns.are(columns)
    }
}

/// [`Maskers`] made of guests.
pub struct GuestMaskers {
    info: Arc<Visit>,
    current: Current,
    members: Vec<Member>,
    /// the one used last first
    plans: Vec<Planned>,
    /// the plan that holds in each slot, by its id
    slots: BTreeMap<u32, u64>,
    next_id: u64,
    /// the generation that was seen last, and whether it tries something beside one of these maskers
    seen: (Weak<Generation>, bool),
    era: u64,
}

impl GuestMaskers {
    pub(crate) async fn open(
        info: Arc<Visit>,
        current: Current,
        generation: &Generation,
        names: Vec<PluginName>,
    ) -> Result<Self, Fault> {
        let members =
            names.into_iter().map(|name| Member { name, residents: Vec::new(), shadow: None }).collect();
        let (plans, slots, seen) = (Vec::new(), BTreeMap::new(), (Weak::new(), false));
        let mut maskers = Self { info, current, members, plans, slots, next_id: 0, seen, era: 0 };
        for member in &mut maskers.members {
            if let Some(loaded) = generation.serving(&member.name, &maskers.info.id) {
                let resident = member.place_of(loaded, &maskers.info, &mut maskers.next_id).await;
                // A session that a canary does not take is not refused: it has the old one.
                if let Err(fault) = loaded.watched(resident)
                    && loaded.probation.is_none()
                {
                    return Err(fault);
                }
            }
        }
        Ok(maskers)
    }

    /// The generation in service. Whenever it is another one, an era ends.
    fn observe(&mut self) -> Arc<Generation> {
        let generation = self.current.load();
        if !std::ptr::eq(self.seen.0.as_ptr(), Arc::as_ptr(&generation)) {
            let is_tried = self.members.iter().any(|member| generation.beside(&member.name).is_some());
            self.seen = (Arc::downgrade(&generation), is_tried);
            self.era += 1;
        }
        generation
    }

    /// Makes room for a plan of this generation in the slot: its number. The one that held there does so no longer.
    fn make_room(&mut self, slot: u32, generation: &Arc<Generation>) -> u32 {
        self.slots.remove(&slot);
        let Self { plans, slots, .. } = self;
        let mut spare = 0;
        plans.retain(|planned| {
            let is_spare = !slots.values().any(|id| *id == planned.id);
            spare += usize::from(is_spare);
            !is_spare || spare <= PLANS && planned.is_kept_for(generation)
        });
        let is_free = |number: &u32| plans.iter().all(|planned| planned.number != *number);
        // There are fewer plans than numbers.
        (0..=u32::MAX).find(is_free).unwrap_or_default()
    }

    /// From now on this plan holds in the slot.
    fn hold(&mut self, slot: u32, planned: Planned) {
        self.slots.insert(slot, planned.id);
        self.plans.insert(0, planned);
    }

    /// Whether the generation in service is the one that was seen last.
    fn is_seen(&self) -> bool {
        self.current.is(&self.seen.0)
    }

    /// A plan there is, when it serves again and everybody it needs is still there: it holds in this slot from now on.
    fn planned(&mut self, slot: u32, columns: &[Column]) -> Option<MaskPlan> {
        let seen = &self.seen.0;
        let serves =
            |planned: &Planned| planned.reusable.as_ref().is_some_and(|kept| kept.serves(seen, columns));
        let place = self.plans.iter().position(serves)?;
        self.plans.get_mut(..=place)?.rotate_right(1);
        let planned = self.plans.first()?;
        let is_there = |part: &Part| {
            let resident = self
                .members
                .get(part.member)?
                .residents
                .iter()
                .find(|resident| resident.id == part.resident)?;
            (resident.instance.guest.is_usable() && resident.loaded.is_trusted()).then_some(())
        };
        if planned.parts.iter().all(|part| is_there(part).is_some()) {
            self.slots.insert(slot, planned.id);
            return planned.reusable.as_ref().map(|kept| kept.plan.clone());
        }
        // Where else it holds, nothing can be masked with it.
        self.plans.remove(0);
        None
    }

    /// Asks the shadows what they want of these columns, for the plan that holds in this slot: what they want more.
    async fn plan_beside(
        &mut self,
        slot: u32,
        generation: &Generation,
        columns: &[Column],
        operation: &Operation,
        wanted: &[u16],
    ) -> Vec<Applied> {
        let Self { info, members, plans, slots, next_id, .. } = self;
        let held = slots.get(&slot).and_then(|id| plans.iter_mut().find(|planned| planned.id == *id));
        let Some(planned) = held else { return Vec::new() };
        let mut told = Vec::new();
        for (index, member) in members.iter_mut().enumerate() {
            let shadow = generation.beside(&member.name).and_then(|beside| beside.shadow());
            let Some(shadow) = shadow else {
                member.shadow = None;
                continue;
            };
            let known = planned.shadows.iter().position(|part| part.member == index);
            if let Some(part) = known.and_then(|place| planned.shadows.get(place))
                && part.reusable
                && member.shadow_of(part).is_some()
            {
                told.extend(part.unseen(shadow, wanted));
                continue;
            }
            known.map(|place| planned.shadows.swap_remove(place));
            match shadow
                .watched(member.ask_beside(shadow, info, next_id, planned.number, columns, operation).await)
            {
                Ok((resident, wish)) => {
                    let names = masker_beside::names(columns, operation);
                    // A shadow is shown all values.
                    let Wish { wanted: own, rules, reusable, signs: _ } = wish;
                    let part = ShadowPart { member: index, resident, wanted: own, rules, reusable, names };
                    told.extend(part.unseen(shadow, wanted));
                    planned.shadows.push(part);
                }
                Err(fault) => told.push(masker_beside::failed(shadow, &fault)),
            }
        }
        told
    }

    /// Lets go of instances that nothing needs any more.
    fn tidy(&mut self, generation: &Generation) {
        let plans = &self.plans;
        for (index, member) in self.members.iter_mut().enumerate() {
            let newest = generation.serving(&member.name, &self.info.id);
            member.residents.retain(|resident| {
                let is_newest = newest.is_some_and(|newest| Arc::ptr_eq(newest, &resident.loaded));
                let is_bound = || parts(plans).any(|part| part.is(index, resident.id));
                resident.instance.guest.is_usable() && (is_newest || is_bound())
            });
        }
    }
}

fn parts(plans: &[Planned]) -> impl Iterator<Item = &Part> {
    plans.iter().flat_map(|planned| &planned.parts)
}

impl Part {
    fn is(&self, member: usize, resident: u64) -> bool {
        self.member == member && self.resident == resident
    }

    /// Which columns of a batch it is sent. None: its signs keep all of them.
    fn sent(&self, batch: &Batch, so_far: Option<&Masked>) -> Option<Sent> {
        match &self.signs {
            Some(signs) if !batch.is_empty() => signs.sent(batch, so_far, &self.wanted),
            _ => Some(Sent::from_slice(&self.wanted)),
        }
    }

    /// What it made of the values it was sent.
    fn learn(&mut self, given: &Batch, masked: &Masked) {
        if let Some(signs) = &mut self.signs
            && masked.cells.is_empty()
        {
            signs.left(given);
        }
    }
}

impl Member {
    /// The place of a usable instance of exactly that version.
    async fn place_of(
        &mut self,
        loaded: &Arc<Loaded>,
        info: &Visit,
        next_id: &mut u64,
    ) -> Result<usize, Fault> {
        let usable = |resident: &Resident| {
            Arc::ptr_eq(&resident.loaded, loaded) && resident.instance.guest.is_usable()
        };
        if let Some(place) = self.residents.iter().position(usable) {
            return Ok(place);
        }
        let instance = Box::pin(MaskerInstance::open(loaded, info)).await?;
        *next_id += 1;
        self.residents.push(Resident { id: *next_id, loaded: Arc::clone(loaded), instance });
        Ok(self.residents.len() - 1)
    }

    /// What the shadow wants of these columns, and the number of the instance that said so.
    async fn ask_beside(
        &mut self,
        shadow: &Arc<Loaded>,
        info: &Visit,
        next_id: &mut u64,
        number: u32,
        columns: &[Column],
        operation: &Operation,
    ) -> Result<(u64, Wish), Fault> {
        let usable = |resident: &Resident| {
            Arc::ptr_eq(&resident.loaded, shadow) && resident.instance.guest.is_usable()
        };
        if !self.shadow.as_ref().is_some_and(usable) {
            self.shadow = None;
            let instance = MaskerInstance::open(shadow, info).await?;
            *next_id += 1;
            self.shadow = Some(Resident { id: *next_id, loaded: Arc::clone(shadow), instance });
        }
        let resident = self.shadow.as_mut().ok_or_else(|| fault::gone(&shadow.name))?;
        let (columns, operation) = (LentColumns::new(columns), LentOperation::new(operation));
        Ok((resident.id, resident.instance.plan(number, &columns, &operation).await?))
    }

    /// The instance that a shadow's part speaks of, if it can still be asked.
    fn shadow_of(&mut self, part: &ShadowPart) -> Option<&mut Resident> {
        let resident = self.shadow.as_mut().filter(|resident| resident.id == part.resident)?;
        (resident.instance.guest.is_usable() && resident.loaded.is_trusted()).then_some(resident)
    }
}

impl Maskers for GuestMaskers {
    fn active(&self) -> bool {
        !self.members.is_empty()
    }

    async fn plan(
        &mut self,
        slot: u32,
        columns: &[Column],
        operation: &Operation,
    ) -> Result<MaskPlan, Fault> {
        if self.is_seen()
            && !self.seen.1
            && let Some(plan) = self.planned(slot, columns)
        {
            return Ok(plan);
        }
        let generation = self.observe();
        let is_tried = self.seen.1;
        if let Some(mut plan) = self.planned(slot, columns) {
            if is_tried {
                plan.beside = self.plan_beside(slot, &generation, columns, operation, &plan.wanted).await;
            }
            return Ok(plan);
        }
        // Until this one succeeds, none holds: what was the last is not to be taken for it.
        let number = self.make_room(slot, &generation);
        let (lent_columns, lent_operation) = (LentColumns::new(columns), LentOperation::new(operation));
        let mut wanted = vec![false; columns.len()];
        let (mut parts, mut by) = (Vec::new(), Vec::with_capacity(self.members.len()));
        let mut asked = Vec::with_capacity(self.members.len());
        let mut reusable = !self.members.is_empty();
        for (index, member) in self.members.iter_mut().enumerate() {
            let loaded = generation.serving(&member.name, &self.info.id);
            let loaded = loaded.ok_or_else(|| fault::missing(&member.name))?;
            let place = loaded.watched(member.place_of(loaded, &self.info, &mut self.next_id).await)?;
            let resident = member.residents.get_mut(place).ok_or_else(|| fault::gone(&member.name))?;
            let wish = resident.instance.plan(number, &lent_columns, &lent_operation).await;
            let wish = loaded.watched(wish)?;
            by.push(loaded.judged_by("mask"));
            asked.push(Arc::clone(loaded));
            reusable &= wish.reusable;
            if wish.wanted.contains(&true) {
                wanted.iter_mut().zip(&wish.wanted).for_each(|(all, one)| *all |= one);
                parts.push(Part {
                    member: index,
                    resident: resident.id,
                    wanted: wish.wanted,
                    rules: wish.rules,
                    signs: wish.signs,
                });
            }
        }
        let wanted = (0..=u16::MAX).zip(wanted).filter_map(|(index, wanted)| wanted.then_some(index));
        let mut plan = MaskPlan { wanted: wanted.collect(), by: by.into(), reusable, beside: Vec::new() };
        let made_of = || Reusable {
            generation: Arc::clone(&generation),
            asked,
            columns: FlatColumns::new(columns),
            plan: plan.clone(),
        };
        let reusable = reusable.then(made_of);
        self.next_id += 1;
        let (id, columns_of, shadows) = (self.next_id, columns.len(), Vec::new());
        self.hold(slot, Planned { id, number, columns: columns_of, parts, shadows, reusable });
        self.tidy(&generation);
        if is_tried {
            plan.beside = self.plan_beside(slot, &generation, columns, operation, &plan.wanted).await;
        }
        Ok(plan)
    }

    fn era(&mut self) -> u64 {
        if self.members.is_empty() {
            return self.era;
        }
        if !self.is_seen() {
            self.observe();
        }
        let mut residents = self.members.iter().flat_map(|member| &member.residents);
        if self.seen.1 || residents.any(|resident| !resident.instance.guest.is_usable()) {
            self.era += 1;
        }
        self.era
    }

    fn forget(&mut self, slot: u32) {
        self.slots.remove(&slot);
    }

    async fn mask(&mut self, slot: u32, batch: &Batch) -> Result<Masked, Fault> {
        let unsound = |what: &str| {
            Fault::new(FaultSource::Host, fault::code::PIPELINE, "values cannot be masked").with_detail(what)
        };
        let held = self.slots.get(&slot);
        let plan = held.and_then(|id| self.plans.iter_mut().find(|planned| planned.id == *id));
        let plan = plan.ok_or_else(|| unsound("no plan for this slot"))?;
        if !edits::batch_is_sound(batch, plan.columns) {
            return Err(unsound("the values are not UTF-8, or not where they are said to be"));
        }
        let mut masked: Option<Masked> = None;
        let (is_tried, mut steps) = (!plan.shadows.is_empty(), Vec::new());
        for part in &mut plan.parts {
            let member = self.members.get_mut(part.member).ok_or_else(|| unsound("no such masker"))?;
            let resident = member.residents.iter_mut().find(|resident| resident.id == part.resident);
            let resident = resident.ok_or_else(|| fault::gone(&member.name))?;
            if !resident.instance.guest.is_usable() {
                return Err(fault::gone(&member.name));
            }
            let Some(sent) = part.sent(batch, masked.as_ref()) else {
                count(&resident.loaded.bounds.metrics.unsigned);
                if is_tried {
                    steps.push((part.member, masked.clone().unwrap_or_default()));
                }
                continue;
            };
            let sends_all = batch.columns.iter().all(|column| sent.get(usize::from(*column)) == Some(&true));
            masked = Some(match masked {
                None if sends_all => {
                    let step = resident.instance.mask(plan.number, batch, &part.rules).await;
                    let step = resident.loaded.watched(step)?;
                    part.learn(batch, &step);
                    step
                }
                so_far => {
                    let so_far = so_far.unwrap_or_default();
                    let too_large = || unsound("too much text for one answer");
                    let (narrowed, indices) = edits::narrow(batch, &so_far, &sent).ok_or_else(too_large)?;
                    if narrowed.is_empty() {
                        so_far
                    } else {
                        let step = resident.instance.mask(plan.number, &narrowed, &part.rules).await;
                        let step = resident.loaded.watched(step)?;
                        part.learn(&narrowed, &step);
                        edits::compose(&so_far, &step, &indices).ok_or_else(too_large)?
                    }
                }
            });
            if is_tried {
                steps.push((part.member, masked.clone().unwrap_or_default()));
            }
        }
        let mut masked = masked.unwrap_or_default();
        if is_tried {
            masked.applied.extend(mask_beside(plan, &mut self.members, batch, &steps).await);
        }
        Ok(masked)
    }
}

/// Gives the shadows the same values: what they would have done otherwise. `steps`: what each member made of them.
async fn mask_beside(
    plan: &Planned,
    members: &mut [Member],
    batch: &Batch,
    steps: &[(usize, Masked)],
) -> Vec<Applied> {
    let (unchanged, mut told) = (Masked::default(), Vec::new());
    for part in &plan.shadows {
        let resident = members.get_mut(part.member).and_then(|member| member.shadow_of(part));
        let Some(resident) = resident else { continue };
        let step = |is_it: &dyn Fn(usize) -> bool| {
            let steps = steps.iter().rev().find(|(member, _)| is_it(*member));
            steps.map_or(&unchanged, |(_, masked)| masked)
        };
        let (before, after) = (step(&|member| member < part.member), step(&|member| member <= part.member));
        let Some((given, indices)) = masker_beside::given(batch, before, part) else { continue };
        let said = match given.is_empty() {
            true => Ok(Said { masked: Masked::default(), rules: Vec::new() }),
            false => resident.instance.mask_beside(plan.number, &given, &part.rules).await,
        };
        match resident.loaded.watched(said) {
            Ok(said) => {
                told.extend(part.differences(&resident.loaded, batch, (before, after), &said, &indices))
            }
            Err(fault) => told.push(masker_beside::failed(&resident.loaded, &fault)),
        }
    }
    told
}
