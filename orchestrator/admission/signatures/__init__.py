"""Signatures and attestations of images: where they are, what they say, and whether somebody who counts made them.

cosign has three places for them (the tag `sha256-….sig`, the referrers of OCI 1.1, and the tag `sha256-…` where a
registry has no referrers) and two kinds (made with a key; made with a certificate for an identity, "keyless").

* `forms`: the documents, read strictly: payloads, envelopes, bundles;
* `finding`: the places;
* `keys` and `keyless`: whether a signature is one;
* `verifying`: which signer an image has.
"""
