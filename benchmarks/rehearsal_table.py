def fill_table():
    pass
