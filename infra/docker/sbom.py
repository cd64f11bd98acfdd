#!/usr/bin/env python3
"""Prints the crates that a program was built from, in CycloneDX format.

cargo-auditable embeds the list in the program, in the section .dep-v0, so the result describes the program in an image
rather than what the workspace could have built. The document is reproducible: it contains no time, and its serial number
is derived from the program's hash.

    sbom.py PROGRAM NAME VERSION > NAME.cdx.json
"""

import hashlib
import json
import struct
import sys
import uuid
import zlib
from pathlib import Path

SECTION = b".dep-v0"


def section(elf: bytes) -> bytes:
    """Returns the section's bytes. Reads the section table of a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise SystemExit("not a 64-bit little-endian ELF program")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    # Name, offset and length of each section.
    headers = [struct.unpack_from("<I20xQQ", elf, table + size * i) for i in range(count)]
    _, start_of_names, _ = headers[names]
    for name, offset, length in headers:
        at = start_of_names + name
        if elf[at : elf.index(b"\0", at)] == SECTION:
            return elf[offset : offset + length]
    raise SystemExit("the program contains no list of crates: it was not built with cargo auditable")


def document(elf: bytes, name: str, version: str) -> dict:
    """Returns the CycloneDX document of this program."""
    packages = json.loads(zlib.decompress(section(elf)))["packages"]
    # Build dependencies, such as macros, are not part of the program.
    runtime = [package for package in packages if package.get("kind", "runtime") == "runtime"]
    if [package["name"] for package in packages if package.get("root")] != [name]:
        raise SystemExit(f"the program is not {name}, according to its list of crates")

    def reference(package: dict) -> str:
        if package.get("root"):
            return f"program:{name}"
        return f"pkg:cargo/{package['name']}@{package['version']}"

    def component(package: dict) -> dict:
        entry = {
            "type": "library",
            "bom-ref": reference(package),
            "name": package["name"],
            "version": package["version"],
        }
        # Crates of the workspace are in no registry: a crate of the same name there would be a different one.
        if package["source"] != "local":
            entry["purl"] = reference(package)
        return entry

    def depends_on(package: dict) -> dict:
        needed = (packages[index] for index in package.get("dependencies", []))
        known = sorted(reference(one) for one in needed if one in runtime)
        return {"ref": reference(package), "dependsOn": known}

    digest = hashlib.sha256(elf).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"program:{name}",
                "name": name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        },
        "components": [component(package) for package in runtime if not package.get("root")],
        "dependencies": [depends_on(package) for package in runtime],
    }


def main() -> None:
    """Prints the document of the program on the command line."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    program, name, version = sys.argv[1:]
    json.dump(document(Path(program).read_bytes(), name, version), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
