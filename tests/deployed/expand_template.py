#!/usr/bin/env python3
"""Prints the template with its loops unrolled, as the SAM CLI unrolls them, for tools that cannot.

usage: expand_template.py template.yaml [Parameter=value …]

Parameters that are not given have their defaults, pseudo parameters the values that SAM uses locally.
"""

import sys

from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.lib.intrinsic_resolver.intrinsics_symbol_table import IntrinsicsSymbolTable
from samcli.yamlhelper import yaml_dump, yaml_parse


def expand(text: str, given: dict[str, str]) -> dict:
    """The template as a dictionary, without Fn::ForEach and its kin."""
    template = yaml_parse(text)
    values = dict(IntrinsicsSymbolTable.DEFAULT_PSEUDO_PARAM_VALUES)
    for name, parameter in template["Parameters"].items():
        if "Default" in parameter:
            values[name] = parameter["Default"]
    for name in given.keys() - values.keys():
        raise SystemExit(f"the template has no parameter `{name}`")
    values |= given
    return expand_language_extensions(template, parameter_values=values, enabled=True).expanded_template


def main() -> None:
    file, *given = sys.argv[1:]
    with open(file, encoding="utf-8") as template:
        text = template.read()
    print(yaml_dump(expand(text, dict(pair.split("=", 1) for pair in given))), end="")


if __name__ == "__main__":
    main()
