print("no scenario")
