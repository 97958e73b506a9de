"""Recorded sha256 and size of published files.

A file that differs is another version or was damaged on its way. For files that are not listed, the
first download is trusted and recorded (see `download`).
"""

from dataclasses import dataclass

_LISTED = """
d91035e5d8a9c4ce7865e4c61446deec1a7318602d41b3220e9fcb3ce7e41fe3  1033376 her2st/ST-cnts/A1.tsv.gz
1c84f44bfc0bce6d5647b78e4598e2456f769e29f72ca52911d5bc4be81e410c  1340590 her2st/ST-cnts/A2.tsv.gz
e38231c2a38c9bc7e6d550eec0e527c1869ee0e525fc913e708d1323c34f5ebb   563881 her2st/ST-cnts/B4.tsv.gz
c1c59ea6cffae36b9ecb561b8e2a97e3aa5f4085f748e991a0e330ed9d09773d   821408 her2st/ST-cnts/C2.tsv.gz
e00c55a3eb9caac5d9c71b8906aae8be8b38f93e23938f4a0ebee17683ef6a2a   847901 her2st/ST-cnts/C3.tsv.gz
33201f76d41d7131dc600a0f87d9a70383af3503e81698b4d11e6f2e8d73e9da   886246 her2st/ST-cnts/C4.tsv.gz
c0f310315ca6110d74dbdf7011e5b42432ba0b8eb5f001824764911988f39338   845308 her2st/ST-cnts/C5.tsv.gz
60478b0d2411501866685f41312c65c6591e499d64d5b719be8ee9bab25c9bc8   892853 her2st/ST-cnts/C6.tsv.gz
3cb165614ce2a13426381e450220dccac980cc9bda6a90fb041c28ca0e2c753d  4076552 her2st/ST-imgs/B4.jpg
26e2f73ae840cdd46c5bba405aae181f13a56a376b9848dff23f7a9c5de7f19e  3990230 her2st/ST-imgs/C2.jpg
0005a92674014d473040a28f0afca89ce5fa5c44019b479b638ceb3272ceb568  3915842 her2st/ST-imgs/C3.jpg
f40607eb1d5f0d125decd71c48b0c5d29cf6776ad92297fd185631208c82d6f2  3806070 her2st/ST-imgs/C4.jpg
34028ea41e376396b50c42b0a11a7e689c85be4a8022e668d0a09cc128c04c65  3719130 her2st/ST-imgs/C5.jpg
dddd87232589648861a9b6776dc1749be8306213f6589aeef0e805fb2b1ee263  3941039 her2st/ST-imgs/C6.jpg
e5f79223be2ea2aebb082c4759059ab7079b0132052d0944209048ac57788c5d    12879 her2st/ST-spotfiles/A1_selection.tsv
b21f48c8492ff1d71c0d0d396dbde64735ff8fa5419bcc6f5cffe60f68d7cb09    11958 her2st/ST-spotfiles/A2_selection.tsv
192b46f3ca414c85753a01a4fb5760a697ca6c0a1aadb949c4687cc6efa9faa0    10560 her2st/ST-spotfiles/B4_selection.tsv
235b5f4306b3b57c628ffc82c98c7109602474fbcc79a917b9c50517f99b6b1c     7053 her2st/ST-spotfiles/C2_selection.tsv
7fd76c13370b7804ac3bb377b846d22485cf9223f9dd8dfc25be06e5aaf65755     6728 her2st/ST-spotfiles/C3_selection.tsv
47e79f3b9dbfa3a8c18af9e948ba7ba4bf0a75ea1b4c292bc714ced7d0917d4c     6960 her2st/ST-spotfiles/C4_selection.tsv
2114cc3b4da759772112897f1e247d5443c9f8c808e6a9a952eb4fda379a194c     6802 her2st/ST-spotfiles/C5_selection.tsv
efdbbc6759c6af43baa966505c31705f09c087c1dccf1ea3e0d1db7b55717117     6655 her2st/ST-spotfiles/C6_selection.tsv
c1c292187221bab077ac1b15e95cf665db35684c98d6193af56d2e8b7772fe20   328839 mob_st_stutility/MOB1.jpg
82c0691f800355369fd8a72ff44ba1e3112d4e44a790f490a9fa267876a9352e  3919144 mob_st_stutility/MOB1.tsv
1079fe52f600ec212a6a59cef76b8697fcd776d0cdb10461ad3bb738eaa5c0b6   399001 mob_st_stutility/MOB2.jpg
449dcc351ede5c63f9afe313479dbb830ba32c6e86b56b258276304102d1f7e9  3919474 mob_st_stutility/MOB2.tsv
0ac2c820ca6614e3ebc7fef3004a85c4623093b10741858e5c5328d7310606ca   297951 mob_st_stutility/MOB3.jpg
f0b9601a10d627d372c412cad4a4dde2a1dee9f2433e51f07ca26d534be015ea  3936527 mob_st_stutility/MOB3.tsv
c45a4f559fb560e8b0224085c9a9ed2bf20e17a1128a7e2c1c36050b173acc0b   310162 mob_st_stutility/MOB4.jpg
bc782caf3e990468d579715139db4e9c1f682b7c625978f1073720458f98a509  3929191 mob_st_stutility/MOB4.tsv
91ade06cf93bc0b3cd728846c34e310a8365200d1ad33498e6a0eb6951a92164    66695 mob_st_stutility/alignment_table_MOB1.tsv
6d86b226386b0a08f825b3bff4b5c359f00fd52d3f53d77db0376b0f7e0ec30d    66742 mob_st_stutility/alignment_table_MOB2.tsv
da0ce26ad12b94b6d0784ddc1c0c76e998d3bbd2579bad6aa8c4ac2c4f7f2e33    67142 mob_st_stutility/alignment_table_MOB3.tsv
243fa0518132fbc750cbf05ae17946d66c94be32b48803b27c70fde3d76fd5ff    67379 mob_st_stutility/alignment_table_MOB4.tsv
ef21fc3499feb0bbc3663b27bc6d6a98818ab1105ed2ddc2cdb0eab5a5e845e4  2585584 visium_mouse_muscle_scmuscle/Vis5A_2dpi/Vis5A_filtered_feature_bc_matrix.h5
c6b3d6caefb7d3a69ae12db255a44f4911eaa44e1ebb0946b0d23afa0a3ffb77      158 visium_mouse_muscle_scmuscle/Vis5A_2dpi/spatial/scalefactors_json.json
caa68b6c38795a569aa52581b4292b8430994a3458112608a939ccdddd97b9ee   483906 visium_mouse_muscle_scmuscle/Vis5A_2dpi/spatial/tissue_lowres_image.png
3a70640481ce74f2afc4de881c7928f103477d2452a3fe3530fd2696f28922b9   190150 visium_mouse_muscle_scmuscle/Vis5A_2dpi/spatial/tissue_positions_list.csv
e611c57c5daf8d3349ff6a37b51d2d5913f99013bfced88733c55518ab03db69  3706705 visium_mouse_muscle_scmuscle/Vis7B_5dpi/Vis7B_filtered_feature_bc_matrix.h5
3084e2d475817bb99fdd7beaf97d8be348d7f18cd8ee5e5a3cad474592b125c1      167 visium_mouse_muscle_scmuscle/Vis7B_5dpi/spatial/scalefactors_json.json
9479d562da2b4d359657cd2fe73d4ed18a2a2751a49fb5ab25e987c5d1de1854   490620 visium_mouse_muscle_scmuscle/Vis7B_5dpi/spatial/tissue_lowres_image.png
7149dfc0bd4f7e056c2f4cfec8f9d6ac746e8d92e9b989d35d71ea9d15fd4ff9   190113 visium_mouse_muscle_scmuscle/Vis7B_5dpi/spatial/tissue_positions_list.csv
"""  # noqa: E501


@dataclass(frozen=True)
class Checksum:
    """Expected sha256 and size of a file."""

    sha256: str
    size: int
    """Bytes."""


PUBLISHED: dict[str, Checksum] = {
    path: Checksum(sha256, int(size))
    for sha256, size, path in (line.split() for line in _LISTED.split("\n") if line)
}
"""By path below HISTOSCRIBE_DATA, in the flat layout."""
