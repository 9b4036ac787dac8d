"""The page as Gradio describes it to the browser."""

from colorizer import Colorizer
from colorizer.demo.page import build_demo


def test_no_event_waits_for_a_change_of_state():
    """Gradio's page misses some, above all while a tab is being opened."""
    config = build_demo({"autoencoder": Colorizer.load("autoencoder")}).config
    states = {each["id"] for each in config["components"] if each["type"] == "state"}
    assert states
    targets = [(target, event["api_name"]) for event in config["dependencies"] for target, _ in event["targets"]]
    assert not [name for target, name in targets if target in states]
