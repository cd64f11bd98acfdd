//! Redis knows each service that is sent to it, and evicts counters of requests before the queue.

use crate::lint_infra::environment::variables;
use crate::lint_infra::objects::{Objects, list, text};
use crate::lint_infra::pods::pods;
use crate::lint_infra::rules::settings::{self, Programs};

/// What `REDIS_URL` and the arguments of redis-server disagree about; nothing where Redis is somebody else's.
pub(super) fn check(objects: &Objects, programs: &Programs) -> Vec<String> {
    let pods = pods(objects);
    let mut servers = pods.iter().flat_map(|pod| pod.main_containers().map(move |container| (pod, container)));
    let Some((server, container)) = servers.find(|(_, container)| text(container, "/name") == "redis") else {
        return Vec::new();
    };
    let words: Vec<_> = list(container, "/args").iter().filter_map(|word| word.as_str()).collect();
    let after = |flag: &str| {
        let pairs = words.iter().zip(words.iter().skip(1));
        pairs.filter(|(word, _)| **word == flag).map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let mut problems = Vec::new();
    if after("--maxmemory-policy") != ["volatile-ttl"] {
        problems.push(format!(
            "{}: set --maxmemory-policy volatile-ttl, so that counters of requests go before the timers' queue",
            server.called()
        ));
    }
    let users = after("--user");
    for pod in &pods {
        for container in pod.main_containers().filter(|container| settings::of(container, programs).is_some()) {
            let told = variables(container, objects).remove("REDIS_URL").flatten();
            let Some(url) = told else { continue };
            let user = url.split_once("://").and_then(|(_, rest)| rest.split_once(':')).map_or("", |(user, _)| user);
            if !users.contains(&user) {
                problems.push(format!(
                    "{}: REDIS_URL names the user '{user}', whom {} does not know; add --user {user} there",
                    pod.called(),
                    server.called()
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::proof::proves;
    use super::*;

    const GOOD: &str = "
kind: Deployment
metadata: {name: redis}
spec:
  template:
    spec:
      containers:
        - name: redis
          image: redis:7.2
          args: [--maxmemory-policy, volatile-ttl, --user, orders, 'on', --user, web, 'on']
---
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      containers:
        - name: service
          image: ticketing/orders
          env: [{name: REDIS_URL, value: 'redis://orders:secret@redis:6379'}]
";

    #[test]
    fn redis_knows_whom_it_serves_and_what_goes_first() {
        let programs = Programs::from([("orders".to_owned(), BTreeMap::new())]);
        proves(
            |objects| check(objects, &programs),
            GOOD,
            &[
                ("volatile-ttl", "noeviction", "Deployment redis: set --maxmemory-policy volatile-ttl"),
                (
                    "redis://orders:",
                    "redis://tickets:",
                    "names the user 'tickets', whom Deployment redis does not know",
                ),
                ("--user, orders", "--user, auth", "Deployment orders: REDIS_URL names the user 'orders'"),
            ],
        );
    }
}
