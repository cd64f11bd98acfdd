#!/usr/bin/env python3
"""Backs the six databases up as they were at one moment, and brings them back.

  backup FOLDER          a new folder with all six databases, read at one moment
  restore FOLDER         the databases as they are in that folder; --drop removes what they hold now
  drop-streams           removes the streams, which may tell of what came after that moment
  strays --since TIME    charges and authorisations at Stripe that the restored payments know nothing of;
                         --settle gives them back

docs/operations.md has the order in which this is done. Addresses and secrets are environment variables:
MONGODB_URL, NATS_URL, NATS_PREFIX, STRIPE_KEY, STRIPE_URL. A backup has the layout of `mongodump --gzip`.

Needs what infra/operations/requirements.txt pins.
"""

import argparse
import asyncio
import datetime
import gzip
import hashlib
import json
import os
import pathlib
import sys
import urllib.parse
import urllib.request
import zlib

import bson
import nats
import nats.js.errors
import pymongo
from bson import json_util
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

SERVICES = ["auth", "tickets", "orders", "payments", "expiration", "web"]
STREAMS = ["auth", "tickets", "orders", "payments", "expiration", "dead-letters"]
RAW = CodecOptions(document_class=RawBSONDocument)
MANIFEST = "manifest.json"
# A restored document must not be lost again by a server that dies a moment later.
SAFE = WriteConcern(w="majority", j=True)


def environment(name, default=None):
    value = os.environ.get(name, default)
    if not value:
        sys.exit(f"{name} is not set")
    return value


def mongodb():
    return pymongo.MongoClient(environment("MONGODB_URL"), serverSelectionTimeoutMS=5000)


def backup(folder):
    if folder.exists():
        sys.exit(f"{folder} exists already")
    # A backup that was interrupted is never taken for a whole one.
    unfinished = folder.with_name(folder.name + ".unfinished")
    unfinished.mkdir(parents=True, mode=0o700)
    began = datetime.datetime.now(datetime.timezone.utc)
    files = {}
    with mongodb() as client:
        collections = [
            (client[name], info)
            for name in SERVICES
            for info in client[name].list_collections(filter={"type": "collection"})
        ]
        # The first read fixes the moment; all others read the databases as they were then.
        with client.start_session(snapshot=True) as session:
            for database, info in collections:
                collection = database.get_collection(info["name"], codec_options=RAW)
                (unfinished / database.name).mkdir(exist_ok=True)
                path = f"{database.name}/{info['name']}"
                count, digest = 0, hashlib.sha256()
                with gzip.open(unfinished / f"{path}.bson.gz", "wb", compresslevel=6) as file:
                    for document in collection.find({}, session=session, batch_size=1000):
                        file.write(document.raw)
                        digest.update(document.raw)
                        count += 1
                indexes = list(database[info["name"]].list_indexes())
                about = json_util.dumps({"options": info.get("options", {}), "indexes": indexes},
                                        json_options=json_util.CANONICAL_JSON_OPTIONS)
                with gzip.open(unfinished / f"{path}.metadata.json.gz", "wt") as file:
                    file.write(about)
                files[path] = {"documents": count, "sha256": digest.hexdigest()}
    manifest = {"began": began.isoformat(timespec="seconds"), "collections": files}
    (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    unfinished.rename(folder)
    tell(manifest)


def tell(manifest):
    total = sum(entry["documents"] for entry in manifest["collections"].values())
    began, collections = manifest["began"], len(manifest["collections"])
    print(f"{total} documents of {collections} collections, as they were shortly after {began}")


def verify(folder, manifest):
    """Ends here when a file is missing or not what was written, before anything is removed."""
    for path, expected in manifest["collections"].items():
        digest = hashlib.sha256()
        try:
            with gzip.open(folder / f"{path}.bson.gz", "rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
        except (OSError, EOFError, zlib.error) as error:
            sys.exit(f"{folder}/{path} can't be read, so nothing is restored: {error}")
        if digest.hexdigest() != expected["sha256"]:
            sys.exit(f"{folder}/{path} is damaged, so nothing is restored")


def batches(folder, path):
    """The documents of one collection, a few megabytes at a time."""
    batch, size = [], 0
    with gzip.open(folder / f"{path}.bson.gz", "rb") as file:
        for document in bson.decode_file_iter(file, RAW):
            batch.append(document)
            size += len(document.raw)
            if size > 8_000_000 or len(batch) == 1000:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def restore(folder, drop):
    manifest = json.loads((folder / MANIFEST).read_text())
    verify(folder, manifest)
    with mongodb() as client:
        held = [n for n in SERVICES if any(client[n][c].find_one() for c in client[n].list_collection_names())]
        if held and not drop:
            sys.exit(f"{', '.join(held)} are not empty; --drop removes what they hold")
        # All of them, also what the backup has nothing of: the six are of one moment.
        for name in SERVICES:
            client.drop_database(name)
        for path, expected in manifest["collections"].items():
            name, _, collection = path.partition("/")
            with gzip.open(folder / f"{path}.metadata.json.gz", "rt") as file:
                about = json_util.loads(file.read())
            database = client.get_database(name, write_concern=SAFE)
            database.create_collection(collection, **about["options"])
            target = database.get_collection(collection, codec_options=RAW)
            for batch in batches(folder, path):
                target.insert_many(batch)
            indexes = [index for index in about["indexes"] if index["name"] != "_id_"]
            if indexes:
                database.command("createIndexes", collection, indexes=[
                    {key: value for key, value in index.items() if key != "ns"} for index in indexes
                ])
            kept = target.with_options(read_concern=ReadConcern("majority")).count_documents({})
            if kept != expected["documents"]:
                sys.exit(f"{path} has {kept} documents, not {expected['documents']}")
    tell(manifest)


async def drop_streams():
    prefix = os.environ.get("NATS_PREFIX", "ticketing")
    connection = await nats.connect(environment("NATS_URL"), connect_timeout=5, allow_reconnect=False)
    jetstream = connection.jetstream()
    for name in STREAMS:
        try:
            messages = (await jetstream.stream_info(f"{prefix}-{name}")).state.messages
            await jetstream.delete_stream(f"{prefix}-{name}")
            print(f"{prefix}-{name} removed with {messages} messages")
        except nats.js.errors.NotFoundError:
            print(f"{prefix}-{name} is not there")
    await connection.close()


def stripe(method, path, fields):
    address = environment("STRIPE_URL", "https://api.stripe.com") + path
    body = urllib.parse.urlencode(fields)
    request = urllib.request.Request(address if method == "POST" else f"{address}?{body}", method=method)
    request.add_header("Authorization", f"Bearer {environment('STRIPE_KEY')}")
    if method == "POST":
        request.data = body.encode()
        # Asked twice, it is done once.
        request.add_header("Idempotency-Key", "stray:" + hashlib.sha256((path + body).encode()).hexdigest())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def intents(since):
    """Every intent that was made after this time and names a payment of ours."""
    fields = {"created[gte]": since, "limit": 100}
    while True:
        page = stripe("GET", "/v1/payment_intents", fields)
        yield from (intent for intent in page["data"] if intent["metadata"].get("payment_id"))
        if not page["has_more"]:
            return
        fields["starting_after"] = page["data"][-1]["id"]


def given_back(reference):
    refunds = stripe("GET", "/v1/refunds", {"payment_intent": reference, "limit": 100})["data"]
    return sum(refund["amount"] for refund in refunds if refund["status"] not in ("failed", "canceled"))


def strays(since, settle):
    moment = datetime.datetime.fromisoformat(since)
    if moment.tzinfo is None:
        sys.exit("the time needs its offset, such as 2026-11-24T03:00:00+00:00")
    found = 0
    with mongodb() as client:
        payments = client["payments"]["payments"]
        # Their clock and ours may differ.
        for intent in intents(int(moment.timestamp()) - 600):
            reference, payment, status = intent["id"], intent["metadata"]["payment_id"], intent["status"]
            # After 24 h Stripe forgets which key it knows, so one payment may have been authorised twice.
            known = payments.find_one({"_id": payment}, {"state.providerRef": 1})
            if status == "canceled" or known and known["state"].get("providerRef") in (None, reference):
                continue
            charged = status == "succeeded"
            if charged and given_back(reference) >= intent["amount_received"]:
                continue
            found += 1
            amount = f"{intent['amount']} {intent['currency']}"
            if not settle:
                print(f"{reference}  {status}  {amount}  payment {payment}")
            elif charged:
                stripe("POST", "/v1/refunds", {"payment_intent": reference})
                print(f"{reference}  refunded  {amount}")
            else:
                stripe("POST", f"/v1/payment_intents/{reference}/cancel", {})
                print(f"{reference}  cancelled  {amount}")
    print(f"{found} strays" + (" settled" if settle else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("backup").add_argument("folder", type=pathlib.Path)
    command = commands.add_parser("restore")
    command.add_argument("folder", type=pathlib.Path)
    command.add_argument("--drop", action="store_true")
    commands.add_parser("drop-streams")
    command = commands.add_parser("strays")
    command.add_argument("--since", required=True, help="when the backup was made, as its manifest says")
    command.add_argument("--settle", action="store_true")
    arguments = parser.parse_args()
    match arguments.command:
        case "backup":
            backup(arguments.folder)
        case "restore":
            restore(arguments.folder, arguments.drop)
        case "drop-streams":
            asyncio.run(drop_streams())
        case "strays":
            strays(arguments.since, arguments.settle)


if __name__ == "__main__":
    main()
