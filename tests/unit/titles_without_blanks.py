"""Shops whose titles have no blanks between words, and the items of each that are most alike by them."""

import pytest

SHOPS = {
    "Chinese": (
        "红色陶瓷马克杯",
        "陶瓷咖啡杯 红色",
        "不锈钢保温杯500ml",
        "纯棉床单四件套",
        "蓝色床单（纯棉）",
        "儿童雨伞",
    ),
    "Japanese": (
        "USB充電ケーブル 3m",
        "急速充電対応ケーブル USB-C",
        "赤いマグカップ",
        "陶器のﾏｸﾞｶｯﾌﾟ",
        "子供用の傘",
        "木製おもちゃ",
    ),
    "Thai": (
        "กระเป๋าสะพายหนังแท้",
        "กระเป๋าสตางค์หนัง สีดำ",
        "แก้วกาแฟเซรามิก",
        "ชุดแก้วเซรามิกลายดอกไม้",
        "ร่มเด็ก",
        "ผ้าปูที่นอน",
    ),
    "Korean": ("머그컵 세트", "도자기머그컵", "무선이어폰", "블루투스 무선 이어폰", "어린이 우산", "침대시트"),
}
PAIRS = {
    "Chinese": ((0, 1), (3, 4)),
    "Japanese": ((0, 1), (2, 3)),
    "Thai": ((0, 1), (2, 3)),
    "Korean": ((0, 1), (2, 3)),
}
SHOPS_AND_PAIRS = [pytest.param(SHOPS[name], pairs, id=name) for name, pairs in PAIRS.items()]
