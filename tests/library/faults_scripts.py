"""Three letters of each script of Unicode 14 (Hentaigana and the like beside the scripts that they belong to)."""

from __future__ import annotations

__all__ = ["SCRIPTS"]

_TABLE = """
    Adlam: 1e922 1e933 1e943
    Ahom: 11700 11711 11746
    Anatolian: 14400 14523 14646
    Arabic: 620 fc53 fefc
    Armenian: 560 577 fb17
    Avestan: 10b00 10b1b 10b35
    Balinese: 1b05 1b20 1b4c
    Bamum: a6a0 168f9 16a38
    Bassa Vah: 16ad0 16adf 16aed
    Batak: 1bc0 1bd3 1be5
    Bengali: 985 9a4 9fc
    Bhaiksuki: 11c00 11c18 11c40
    Bopomofo: 3105 312a 31bf
    Brahmi: 11003 1101f 11075
    Buginese: 1a00 1a0b 1a16
    Buhid: 1740 1749 1751
    Canadian: 1401 156a 11abf
    Carian: 102a0 102b8 102d0
    Caucasian Albanian: 10530 1054a 10563
    Chakma: 11103 11116 11147
    Cham: aa00 aa1a aa4b
    Cherokee: 13f8 ab95 abbf
    Chorasmian: 10fb0 10fba 10fc4
    Cjk Unified: 3400 2499a 3134a
    Coptic: 3e3 2caf 2cf3
    Cuneiform: 12000 1222f 12543
    Cypriot: 10800 1081e 1083f
    Cypro-Minoan: 12f90 12fc0 12ff0
    Cyrillic: 430 4ce a69b
    Deseret: 10428 1043c 1044f
    Devanagari: 904 92f a8fe
    Dives Akuru: 11900 1191b 11941
    Dogra: 11800 11816 1182b
    Duployan: 1bc00 1bc35 1bc6a
    Egyptian: 13000 13217 1342e
    Elbasan: 10500 10514 10527
    Elymaic: 10fe0 10feb 10ff6
    Ethiopic: 1200 1302 1e7fe
    Georgian: 10d0 10fd 2d2d
    Glagolitic: 2c30 2c48 2c5f
    Gothic: 10330 1033c 10349
    Grantha: 11305 11323 11361
    Greek: 371 1f43 ab65
    Gujarati: a85 aa1 af9
    Gunjala Gondi: 11d60 11d76 11d89
    Gurmukhi: a05 a23 a5e
    Hangul: 1100 c165 d7a3
    Hanifi Rohingya: 10d00 10d11 10d21
    Hanunoo: 1720 1729 1731
    Hatran: 108e0 108ea 108f5
    Hebrew: 5d0 fb25 fb4f
    Hentaigana: 1b002 1b090 1b11e
    Hiragana: 3041 306e 1b152
    Imperial Aramaic: 10840 1084b 10855
    Javanese: a984 a99b a9b2
    Kaithi: 11083 11099 110af
    Kannada: c80 ca2 cf2
    Katakana: 30a1 30da 1b167
    Kayah Li: a90a a918 a925
    Kharoshthi: 10a00 10a23 10a35
    Khitan: 18b00 18beb 18cd5
    Khmer: 1780 179a 17dc
    Khojki: 11200 11216 1122b
    Khudawadi: 112b0 112c7 112de
    Lao: e81 e9d edf
    Latin: 61 1d73 1df1e
    Lepcha: 1c00 1c13 1c4f
    Limbu: 1900 190f 191e
    Linear A: 10600 106aa 10767
    Linear B: 10000 1008e 100fa
    Lisu: a4d0 a4e4 11fb0
    Lycian: 10280 1028e 1029c
    Lydian: 10920 1092d 10939
    Mahajani: 11150 11162 11176
    Makasar: 11ee0 11ee9 11ef1
    Malayalam: d04 d27 d7f
    Mandaic: 840 84c 858
    Manichaean: 10ac0 10ad3 10ae4
    Marchen: 11c72 11c81 11c8f
    Masaram Gondi: 11d00 11d19 11d30
    Medefaidrin: 16e60 16e70 16e7f
    Meetei Mayek: aae0 abcc abe2
    Mende Kikakui: 1e800 1e862 1e8c4
    Meroitic: 10980 10990 1099f
    Meroitic Cursive: 109a0 109ad 109bf
    Miao: 16f00 16f26 16f50
    Modi: 11600 11618 11644
    Mongolian: 1820 1861 18aa
    Mro: 16a40 16a4f 16a5e
    Multani: 11280 11295 112a8
    Myanmar: 1000 1070 aa7f
    Nabataean: 10880 1088f 1089e
    Nandinagari: 119a0 119ba 119e3
    New Tai Lue: 1980 19a2 19c7
    Newa: 11400 1141d 11461
    Nko: 7ca 7da 7ea
    Nushu: 1b170 1b236 1b2fb
    Nyiakeng Puachue Hmong: 1e100 1e117 1e14e
    Ogham: 1681 168e 169a
    Ol Chiki: 1c5a 1c69 1c77
    Old Hungarian: 10cc0 10cd9 10cf2
    Old Italic: 10300 10311 1032f
    Old North Arabian: 10a80 10a8e 10a9c
    Old Permic: 10350 10363 10375
    Old Persian: 103a0 103b6 103cf
    Old Sogdian: 10f00 10f0f 10f27
    Old South Arabian: 10a60 10a6e 10a7c
    Old Turkic: 10c00 10c24 10c48
    Old Uyghur: 10f70 10f79 10f81
    Oriya: b05 b23 b71
    Osage: 104d8 104ea 104fb
    Osmanya: 10480 1048f 1049d
    Pahawh Hmong: 16b00 16b22 16b77
    Palmyrene: 10860 1086b 10876
    Pau Cin Hau: 11ac0 11ad2 11ae4
    Phags-Pa: a840 a859 a873
    Phoenician: 10900 1090b 10915
    Psalter Pahlavi: 10b80 10b89 10b91
    Rejang: a930 a93b a946
    Runic: 16a0 16c9 16f8
    Samaritan: 800 80b 815
    Saurashtra: a882 a89b a8b3
    Sharada: 11183 1119d 111dc
    Shavian: 10450 10468 1047f
    Siddham: 11580 11599 115db
    Sinhala: d85 da5 dc6
    Sogdian: 10f30 10f3b 10f45
    Sora Sompeng: 110d0 110dc 110e8
    Soyombo: 11a50 11a70 11a85
    Sundanese: 1b83 1b95 1bbf
    Syloti Nagri: a800 a813 a822
    Syriac: 710 727 86a
    Tagalog: 1700 1709 171f
    Tagbanwa: 1760 1768 1770
    Tai Le: 1950 1961 1974
    Tai Tham: 1a20 1a3a 1a54
    Tai Viet: aa80 aa9d aadc
    Takri: 11680 11696 116b8
    Tamil: b83 b9f bb9
    Tangsa: 16a70 16a97 16abe
    Tangut: 18800 18980 18aff
    Telugu: c05 c23 c61
    Thaana: 780 793 7b1
    Thai: e01 e1d e45
    Tibetan: f00 f59 f8c
    Tifinagh: 2d30 2d4c 2d67
    Tirhuta: 11481 11499 114c4
    Toto: 1e290 1e29f 1e2ad
    Ugaritic: 10380 1038f 1039d
    Vai: a500 a58f a62b
    Vithkuqi: 10597 105a9 105bc
    Wancho: 1e2c0 1e2d6 1e2eb
    Warang Citi: 118c0 118d0 118df
    Yezidi: 10e80 10e96 10eb1
    Yi: a000 a247 a48c
    Zanabazar Square: 11a00 11a1e 11a32
"""
SCRIPTS = {
    name: "".join(chr(int(code, 16)) for code in codes.split())
    for name, codes in (line.strip().split(": ") for line in _TABLE.strip().splitlines())
}
"""Name of the script: three of its letters. As hex codes, because editors draw some of them from right to left."""
