//! Checks that the arguments of redis-server fit its clients: each user of a `REDIS_URL` exists, and eviction removes
//! request counters rather than the queue of timers.

use super::{Context, settings};
use crate::environment::variables;
use crate::objects::{display, each, text};

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let containers: Vec<_> =
        context.pods.iter().flat_map(|pod| pod.main_containers().into_iter().map(move |one| (pod, one))).collect();
    // If no container runs Redis, it is a managed service.
    let Some((server, container)) = containers.iter().find(|(_, one)| text(one, "/name") == "redis") else {
        return Vec::new();
    };
    let words: Vec<_> = each(container, "/args/*").into_iter().filter_map(|word| word.as_str()).collect();
    let values = |flag: &str| {
        let pairs = words.iter().zip(words.iter().skip(1));
        pairs.filter(|(word, _)| **word == flag).map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let mut problems = Vec::new();
    if values("--maxmemory-policy") != ["volatile-ttl"] {
        let reason = "so that request counters are evicted before the queue of timers";
        problems.push(server.problem(format!("set --maxmemory-policy volatile-ttl, {reason}")));
    }
    let (users, server) = (values("--user"), display(server.owner));
    for (pod, container) in containers.iter().filter(|(_, one)| settings::program(one, context).is_some()) {
        let Some(url) = variables(container, context.objects).remove("REDIS_URL").flatten() else { continue };
        let user = url.split_once("://").and_then(|(_, rest)| rest.split_once(':')).map_or("", |(user, _)| user);
        if !users.contains(&user) {
            let what =
                format!("REDIS_URL has the user '{user}', which {server} does not define; add --user {user} there");
            problems.push(pod.problem(what));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::check;

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
    fn unknown_users_and_other_eviction_policies_are_reported() {
        let fleet = Images { programs: BTreeMap::from([("orders".to_owned(), BTreeMap::new())]), ..Images::default() };
        assert_each_mutation_is_reported(
            check,
            &fleet,
            GOOD,
            &[
                ("volatile-ttl", "noeviction", "Deployment redis: set --maxmemory-policy volatile-ttl"),
                (
                    "redis://orders:",
                    "redis://tickets:",
                    "has the user 'tickets', which Deployment redis does not define",
                ),
                ("--user, orders", "--user, auth", "Deployment orders: REDIS_URL has the user 'orders'"),
            ],
        );
    }
}
