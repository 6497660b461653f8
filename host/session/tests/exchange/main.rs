//! The exchange with everything around it scripted: both streams, the inspector of a toy protocol, policies,
//! maskers, the trail, approvals. One file per theme; the protocol is told in [`toy`].

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod chunks;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod held;
#[cfg(test)]
mod http;
#[cfg(test)]
mod http_aside;
mod http_flow;
#[cfg(test)]
mod known;
#[cfg(test)]
mod lies;
#[cfg(test)]
mod maskers;
#[cfg(test)]
mod masking;
#[cfg(test)]
mod order;
#[cfg(test)]
mod records;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod toy;
#[cfg(test)]
mod trail;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod websocket;
