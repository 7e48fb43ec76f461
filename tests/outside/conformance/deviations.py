"""Where services are known to differ from AWS's documentation, who is right, and why.

`judge` in `__main__.py` holds the services to this list in both directions: what differs and does not stand here fails,
and so does what stands here and does not differ.
"""

from __future__ import annotations

from dataclasses import dataclass

AWS = "AWS is right"


@dataclass(frozen=True)
class Deviation:
    """A rule that a service does not keep."""

    # A regular expression for what the case finds.
    says: str
    why: str
    right: str = AWS
    # Whether it takes luck to see it, as in a race: then it may also not be seen.
    sometimes: bool = False


OURS_S3 = {
    "a_bucket_is_created_again": Deviation(
        "BucketAlreadyOwnedByYou",
        "the answer of every other region, and the stricter one; nothing creates the lake's bucket twice",
    ),
    "errors_are_documents": Deviation("no <Message>", "clients go by the code; s3s writes what it is given"),
    "answers_have_an_id": Deviation("no x-amz-request-id", "there is no support to tell it to"),
    "an_md5_that_is_none": Deviation(
        "refused with BadDigest", "it is refused all the same, under the name of a wrong digest"
    ),
    "another_body_than_signed": Deviation(
        "IncompleteBody", "s3s checks it and names it so; it is refused, and nothing is stored"
    ),
    "names_are_flat": Deviation(
        "a key is a folder of another key",
        "objects are plain files, so that any program can read a table; no key is a folder's",
    ),
    "slashes_may_follow_each_other": Deviation(
        "the key is no file path", "objects are plain files; object_store makes no such key"
    ),
    "a_key_may_be_long": Deviation(
        "the key is no file path", "a file name has up to 255 bytes; the lake's names are shorter"
    ),
    "an_unknown_key": Deviation("NotSignedUp", "s3s's name for it; it is refused with the same status"),
    "uploads_are_listed": Deviation("NotImplemented", "nothing here asks for it: who begins an upload ends it"),
}

UNCHECKED = "moto asks nobody who he is; ours does, so that what clients sign is tested here"

MOTO_S3 = {
    "answers_have_an_id": Deviation(
        "no x-amz-request-id", "it has x-amzn-requestid, which is the JSON services' header"
    ),
    "a_wrong_md5_stores_nothing": Deviation("was not refused", "moto takes digests on trust; ours does not"),
    "an_md5_that_is_none": Deviation("was not refused", "moto takes digests on trust"),
    "a_wrong_checksum_stores_nothing": Deviation("was not refused", "moto takes checksums on trust; ours does not"),
    "a_checksum_comes_back": Deviation(
        "found None", "moto keeps no checksum that it was not told the algorithm of; ours does"
    ),
    "another_body_than_signed": Deviation("found .200", UNCHECKED),
    "a_match_outweighs_a_time": Deviation(
        "PreconditionFailed", "moto looks at each condition alone; ours keeps the order"
    ),
    "put_if_none_match_of_an_etag": Deviation(
        "was not refused", "moto looks at the asterisk only; ours refuses what AWS refuses"
    ),
    "many_are_deleted_quietly": Deviation("confirmed", "moto does not know quiet; ours does"),
    "a_thousand_are_deleted": Deviation("was not refused", "moto has no such limit"),
    "many_are_deleted_if_they_match": Deviation("errors", "moto deletes without looking at the ETag; ours looks"),
    "a_list_from_within_a_prefix": Deviation(
        r"\['d/'\]", "moto compares the prefix with StartAfter, not the keys below it"
    ),
    "a_page_has_a_thousand": Deviation("5000", "moto answers what it was asked for; ours keeps the limit"),
    "a_token_of_nobody": Deviation("was not refused", "moto takes any text for a key"),
    "the_older_list": Deviation("NextMarker", "moto leaves it out; ours has it"),
    "a_key_may_be_too_long": Deviation("was not refused", "moto has a limit of its own making; ours has AWS's"),
    "a_copy_on_condition": Deviation("was not refused", "moto copies without looking at the condition; ours looks"),
    "a_copy_if_none_match": Deviation("was not refused", "moto copies without looking at the condition"),
    "a_wrong_signature": Deviation("was not refused", UNCHECKED),
    "an_unknown_key": Deviation("was not refused", UNCHECKED),
    "no_signature": Deviation("found .403, \"b''\"", "the status is right, the error document is missing"),
    "an_old_signature": Deviation("found .200", UNCHECKED),
    "a_signature_of_another_path": Deviation("found .200", UNCHECKED),
    "a_presigned_url": Deviation("found .200", UNCHECKED),
    "an_upload_is_aborted": Deviation(
        "500", "moto breaks on a part of an upload that is not there; ours says NoSuchUpload"
    ),
    "an_upload_of_nobody": Deviation("500", "moto breaks on a part of an upload that is not there"),
    "parts_out_of_order": Deviation("was not refused", "moto sorts the list; ours says InvalidPartOrder"),
    "a_part_has_a_number": Deviation("NoSuchUpload", "it is refused under another name"),
    "an_upload_if_match": Deviation("was not refused", "moto completes without looking at If-Match; ours looks"),
    "sixteen_puts": Deviation(
        "winners|is of|500", "the same gap, seldom hit by a put; ours locks the key", sometimes=True
    ),
    "sixteen_uploads": Deviation(
        "winners|500",
        "moto looks first and writes then, with room for another between; ours locks the key",
        sometimes=True,
    ),
    "puts_and_uploads": Deviation("winners|is of|500", "the same gap; ours locks the key", sometimes=True),
    "sixteen_swaps": Deviation("winners|is of|500", "the same gap with If-Match; ours locks the key", sometimes=True),
    "a_counter": Deviation(
        "counter|500", "the same gap with If-Match: counts are lost; ours loses none", sometimes=True
    ),
    "sixteen_plain_puts": Deviation(
        "500|mixture|ETag", "moto closes an object that another request still reads", sometimes=True
    ),
}

OURS_KINESIS = {
    "a_token_stands_alone": Deviation(
        "was not refused", "the token decides; a client that follows the rule sees no difference"
    ),
    "from_a_number_that_is_none": Deviation(
        "InvalidArgumentException",
        "kinesalite answers the same; either is a 400 that nobody repeats",
        "nobody is right for sure",
    ),
    "a_limit_too_high": Deviation(
        "ValidationException",
        "the page names two: its text this one, its valid range the other; kinesalite answers as ours does",
        "ours is right by the range",
    ),
    "an_iterator_has_a_length": Deviation("InvalidArgumentException", "refused under another name"),
}

OLDER = "kinesalite is older than that; ours has it"

KINESALITE = {
    "a_stream_on_demand": Deviation("shardCount", OLDER),
    "streams_are_listed_in_pages": Deviation("NextToken", OLDER),
    "a_description_in_pages": Deviation(r"found \(3, False\)", "kinesalite does not look at Limit; ours does"),
    "shards_are_listed_in_pages": Deviation("NextToken", OLDER),
    "a_token_stands_alone": Deviation("NextToken", OLDER),
    "a_stream_by_its_arn": Deviation("streamName", OLDER),
    "a_hash_key_is_a_number": Deviation("InvalidArgumentException", "the pattern is the page's; ours keeps it"),
    "a_record_has_a_mebibyte": Deviation(
        "was not refused", "kinesalite counts without the partition key; ours counts it"
    ),
    "ten_mebibytes": Deviation("413", "kinesalite is from the time of 5 MiB; ours takes 10"),
    "ten_mebibytes_are_read": Deviation("413", "kinesalite is from the time of 5 MiB; ours takes 10"),
    "a_wrong_signature": Deviation("was not refused", "kinesalite looks for a signature, and not at it"),
    "from_a_time_after_all": Deviation("ReadTimeout", "kinesalite never answers where no record follows; ours does"),
    "from_a_number_that_is_none": Deviation(
        "InvalidArgumentException",
        "ours answers the same; either is a 400 that nobody repeats",
        "nobody is right for sure",
    ),
    "a_limit_too_high": Deviation(
        "ValidationException",
        "the page names two: its text this one, its valid range the other",
        "kinesalite is right by the range",
    ),
    "how_far_behind": Deviation("says it is not", "kinesalite always says 0; ours says how far"),
    "a_closed_shard_ends": Deviation("behind: expected 0", "kinesalite dates the end of a shard into the future"),
    "a_closed_shard_names_its_children": Deviation(r"found \{\}", OLDER),
    "a_split_of_a_closed_shard": Deviation(
        "was not refused", "kinesalite splits it again, so that two shards have a hash key"
    ),
    "the_shards_are_doubled": Deviation("UnknownOperationException", OLDER),
}

MOTO_FIREHOSE = {
    "too_many_records": Deviation("was not refused", "moto has no limits; ours has AWS's"),
    "four_mebibytes": Deviation("was not refused", "moto has no limits; ours has AWS's"),
    "a_record_has_a_thousand_kibibytes": Deviation("was not refused", "moto has no limits; ours has AWS's"),
    "objects_are_compressed": Deviation("not compressed", "moto does not compress; ours does"),
    "prefixes_have_a_time": Deviation("!{timestamp", "moto takes the prefix as it stands; ours expands it"),
    "objects_have_a_name": Deviation("the name is", "moto does not compress, and so adds no .gz; ours does both"),
}

# By service, who serves it, and case.
DEVIATIONS: dict[tuple[str, str, str], Deviation] = {
    (service, name, case): deviation
    for service, name, found in [
        ("s3", "ours", OURS_S3),
        ("s3", "moto", MOTO_S3),
        ("kinesis", "ours", OURS_KINESIS),
        ("kinesis", "kinesalite", KINESALITE),
        ("firehose", "moto", MOTO_FIREHOSE),
    ]
    for case, deviation in found.items()
}
