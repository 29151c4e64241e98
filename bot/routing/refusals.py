"""What providers write into their refusals, as data: each row with who writes it, and since when.

Words are looked for in lower case in the message, what it quotes left out; codes are compared
whole with `code`, `type` and `status`. The order of the meanings is in `signals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Meaning(StrEnum):
    """What a literal says of the request, the key or the model."""

    CONTEXT = "context"
    IMAGES = "images"
    REQUEST = "request"
    MONEY = "money"
    WAIT = "wait"
    RATE = "rate"
    AUTH = "auth"
    REGION = "region"
    MODEL = "model"
    ROUTE = "route"
    ACCOUNT = "account"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Literal:
    """One literal; `code` when it is a whole code instead of words, `start` when the message has
    to begin with it.
    """

    meaning: Meaning
    words: str
    source: str
    as_of: str
    code: bool = False
    start: bool = False


_TABLE = """
# meaning | kind | literal | source | as of
context | code | context_length_exceeded | OpenAI, Groq error codes | 2026-11
context | code | exceed_context_size_error | llama.cpp server README | 2026-11
context | code | string_above_max_length | OpenAI error codes | 2026-11
context | words | maximum context length | OpenAI, DeepSeek, vLLM, OpenRouter | 2026-11
context | words | prompt is too long | Anthropic errors | 2026-11
context | words | prompt too long | Ollama cloud, Mistral | 2026-11
context | words | context window | OpenAI Responses, MiniMax, llama.cpp | 2026-11
context | words | available context size | llama.cpp, pi overflow.ts | 2026-11
context | words | context size has been exceeded | LM Studio bug tracker 237 | 2026-11
context | words | context length exceeded | OpenAI-compatible proxies | 2026-11
context | words | context length of only | LM Studio | 2026-11
context | words | exceeds the maximum number of tokens | Gemini API | 2026-11
context | words | maximum prompt length | xAI | 2026-11
context | words | input is too long for | Amazon Bedrock, Mistral | 2026-11
context | words | range of input length should be | Alibaba Model Studio error codes | 2026-11
context | words | exceeded model token limit | Moonshot | 2026-11
context | words | too many tokens in the prompt | Cohere | 2026-11
context | words | reduce the length of the messages | OpenAI, Groq | 2026-11
context | words | input length and `max_tokens` exceed | Anthropic errors | 2026-11
context | words | input tokens exceed | OpenAI | 2026-11
context | words | prompt token count of | GitHub Copilot | 2026-11
context | words | too large for model with | Mistral | 2026-11
context | words | greater than the context length | LM Studio | 2026-11
context | code | 1261 | docs.bigmodel.cn/cn/api/api-code | 2026-11
context | words | prompt 超长 | docs.bigmodel.cn/cn/api/api-code | 2026-11
context | words | input token length too long | platform.kimi.com/docs/api/errors | 2026-11
context | words | maximum allowed input length | OpenRouter, pi overflow.ts | 2026-11
context | words | longer than the model's context length | Together, pi overflow.ts | 2026-11
context | words | less than the context length | docs.together.ai/docs/error-codes | 2026-11
context | words | maximum number of input tokens | Amazon Bedrock | 2026-11
context | words | total tokens exceeds the model | Cohere | 2026-11
context | words | maximum model length | vLLM, hermes-agent classifier 0003295 | 2026-11
context | words | 上下文长度 | hermes-agent classifier 0003295 | 2026-11
context | words | extra usage is required for long context | Anthropic 1M context | 2026-11
context | words | long context beta is not yet available | Anthropic 1M context | 2026-11
images | words | does not support image | OpenAI, Ollama, Groq | 2026-11
images | words | image input is not supported | OpenRouter, llama.cpp | 2026-11
images | words | no endpoints found that support image input | OpenRouter | 2026-11
images | words | image_url is only supported by certain models | OpenAI | 2026-11
images | words | does not support images | xAI, Bedrock | 2026-11
images | words | not a multimodal model | vLLM | 2026-11
images | words | unknown variant `image_url` | DeepSeek | 2026-11
images | words | at most 0 image | vLLM | 2026-11
images | words | missing data required for image input | Ollama | 2026-11
images | words | image inputs are not supported | Amazon Bedrock | 2026-11
images | words | vision is not supported | LM Studio | 2026-11
request | code | request_too_large | Anthropic errors | 2026-11
request | code | content_too_large | OpenAI-compatible proxies | 2026-11
request | words | request too large | Groq, OpenAI tokens per minute | 2026-11
request | words | request exceeds the maximum size | Anthropic errors | 2026-11
request | words | request entity too large | nginx, Express | 2026-11
request | words | prompt tokens limit exceeded | OpenRouter, continue issue 10962 | 2026-03
request | words | payload size exceeds | Gemini API | 2026-11
request | words | image exceeds | Anthropic, hermes-agent classifier 0003295 | 2026-11
request | words | image dimensions exceed | Anthropic, hermes-agent classifier 0003295 | 2026-11
request | words | no endpoints found that support | OpenRouter errors | 2026-11
request | words | no allowed providers are available | OpenRouter provider routing | 2026-11
request | words | does not support tools | Ollama | 2026-11
request | words | --enable-auto-tool-choice | vLLM | 2026-11
money | code | insufficient_quota | OpenAI error codes | 2026-11
money | code | billing_error | Anthropic errors | 2026-11
money | code | billing_hard_limit_reached | OpenAI error codes | 2026-11
money | code | billing_not_active | OpenAI error codes | 2026-11
money | code | credit_balance_exhausted | OpenAI error codes | 2026-11
money | code | insufficient_balance | DeepSeek, MiniMax, new-api | 2026-11
money | code | insufficientbalance | SiliconFlow, Model Studio | 2026-11
money | code | insufficient_credits | proxies, Cohere | 2026-11
money | code | insufficient_user_quota | one-api, new-api | 2026-11
money | code | insufficient_funds | Vercel AI Gateway | 2026-11
money | code | customer_verification_required | Vercel AI Gateway | 2026-11
money | code | arrearage | Alibaba Model Studio error codes | 2026-11
money | code | prepaidbilloverdue | Alibaba Model Studio error codes | 2026-11
money | code | postpaidbilloverdue | Alibaba Model Studio error codes | 2026-11
money | code | allocationquota.freetieronly | Alibaba Model Studio error codes | 2026-11
money | code | accountoverdueerror | Volcengine Ark error codes | 2026-11
money | code | exceeded_current_quota_error | Moonshot | 2026-11
money | code | payment_required | Together, Hugging Face | 2026-11
money | code | 1113 | docs.bigmodel.cn/cn/api/api-code | 2026-11
money | code | 1309 | docs.bigmodel.cn/cn/api/api-code | 2026-11
money | code | balance_depleted | hermes-agent classifier 0003295 | 2026-11
money | code | model_not_supported_on_free_tier | hermes-agent classifier 0003295 | 2026-11
money | words | credit balance is too low | Anthropic errors | 2026-11
money | words | credit balance too low | Anthropic Claude Code | 2026-11
money | words | reached your specified api usage limits | Anthropic errors | 2026-11
money | words | enable billing | Gemini API | 2026-11
money | words | insufficient credit | OpenRouter errors | 2026-11
money | words | insufficient balance | DeepSeek error codes | 2026-11
money | words | insufficient funds | Vercel AI Gateway | 2026-11
money | words | insufficient quota | new-api, Azure | 2026-11
money | words | insufficient account balance | Novita, GMI | 2026-11
money | words | not enough credits | OpenRouter-like proxies | 2026-11
money | words | requires available credits | Nous Portal | 2026-11
money | words | requires more credits | OpenRouter errors | 2026-11
money | words | any credits | xAI | 2026-11
money | words | no credits | xAI, Nous Portal | 2026-11
money | words | out of credits | proxies | 2026-11
money | words | out of funds | hermes-agent classifier 0003295 | 2026-11
money | words | credits have been exhausted | hermes-agent classifier 0003295 | 2026-11
money | words | used all available credits | xAI | 2026-11
money | words | run out of credits | Vercel, Fireworks | 2026-11
money | words | purchase more credits | xAI, Replicate | 2026-11
money | words | add credits | OpenRouter, Perplexity | 2026-11
money | words | add funds | Nous Portal | 2026-11
money | words | exceeded your current quota | OpenAI error codes | 2026-11
money | words | exceeded your monthly included credits | Hugging Face Inference Providers | 2026-11
money | words | exceeded your monthly spending | Gemini API spend caps | 2026-11
money | words | monthly spending limit | xAI, Together | 2026-11
money | words | monthly quota | proxies, GitHub Models | 2026-11
money | words | monthly usage limit | OpenCode Zen | 2026-11
money | words | spending limit | xAI, Fireworks | 2026-11
money | words | spend limit | OpenAI, Anthropic workspaces | 2026-11
money | words | budget has been exceeded | LiteLLM proxy | 2026-11
money | words | exceeded budget | LiteLLM proxy | 2026-11
money | words | available on the free tier | proxies | 2026-11
money | words | free quota | Alibaba Model Studio | 2026-11
money | words | account is in arrears | Volcengine, Zhipu | 2026-11
money | words | overdue payment | Alibaba Model Studio | 2026-11
money | words | overdue-payment | Alibaba Model Studio error codes | 2026-11
money | words | outstanding invoice | Fireworks | 2026-11
money | words | payment required | Together, Mistral | 2026-11
money | words | payment method | Fireworks, Together | 2026-11
money | words | account balance | Moonshot, Zhipu | 2026-11
money | words | subscription has expired | proxies | 2026-11
money | words | requires a paid plan | Groq, Mistral | 2026-11
money | words | 余额不足 | Zhipu, SiliconFlow | 2026-11
money | words | 欠费 | Zhipu, Volcengine | 2026-11
money | words | 额度不足 | new-api | 2026-11
money | words | 额度已用尽 | new-api | 2026-11
money | words | 免费额度 | Alibaba Model Studio | 2026-11
wait | words | try again | in general | 2026-11
wait | words | retry in | Gemini API | 2026-11
wait | words | retry after | in general | 2026-11
wait | words | reset | Codex, Z.ai plans, Anthropic | 2026-11
wait | words | window | MiniMax, Kimi plans | 2026-11
wait | words | per minute | Gemini API, Cohere | 2026-11
wait | words | per second | Mistral | 2026-11
wait | words | per hour | Vercel, Hugging Face | 2026-11
wait | words | 稍后 | in Chinese | 2026-11
wait | words | 重置 | in Chinese | 2026-11
rate | code | rate_limit_exceeded | OpenAI, Groq | 2026-11
rate | code | rate_limit_error | Anthropic errors | 2026-11
rate | code | rate_limit_reached_error | Moonshot | 2026-11
rate | code | rate_limited | Mistral, Cloudflare | 2026-11
rate | code | too_many_requests | proxies | 2026-11
rate | code | resource_exhausted | Gemini API | 2026-11
rate | code | usage_limit_reached | Codex | 2026-11
rate | code | engine_overloaded_error | Moonshot | 2026-11
rate | code | throttlingexception | Amazon Bedrock | 2026-11
rate | code | toomanyrequestsexception | Amazon Bedrock | 2026-11
rate | code | servicequotaexceededexception | Amazon Bedrock | 2026-11
rate | code | throttling | Alibaba Model Studio error codes | 2026-11
rate | code | throttling.ratequota | Alibaba Model Studio error codes | 2026-11
rate | code | throttling.burstrate | Alibaba Model Studio error codes | 2026-11
rate | code | throttling.allocationquota | Alibaba Model Studio error codes | 2026-11
rate | code | limitrequests | Alibaba Model Studio error codes | 2026-11
rate | code | limit_requests | Alibaba Model Studio error codes | 2026-11
rate | code | ratelimitexceeded | Volcengine Ark, Azure | 2026-11
rate | code | ratelimitreached | Azure, GitHub Models | 2026-11
rate | code | quotaexceeded | Volcengine Ark | 2026-11
rate | code | serveroverloaded | Volcengine Ark | 2026-11
rate | code | 1302 | Z.ai error codes | 2026-11
rate | code | 1305 | Z.ai error codes | 2026-11
rate | code | 1308 | Z.ai error codes | 2026-11
rate | words | rate limit | in general | 2026-11
rate | words | ratelimit | in general | 2026-11
rate | words | rate-limit | in general | 2026-11
rate | words | usage limit | Codex, Ollama cloud, Z.ai plans | 2026-11
rate | words | rate quota | Alibaba Model Studio error codes | 2026-11
rate | words | too many requests | in general | 2026-11
rate | words | too many concurrent | proxies, Z.ai | 2026-11
rate | words | throttl | Amazon Bedrock, Alibaba | 2026-11
rate | words | requests per minute | in general | 2026-11
rate | words | tokens per minute | OpenAI, Groq | 2026-11
rate | words | concurrency limit | DeepSeek, Ollama cloud | 2026-11
rate | words | high concurrency | Z.ai error codes | 2026-11
rate | words | resource has been exhausted | Gemini API | 2026-11
rate | words | 请求过于频繁 | Zhipu, proxies | 2026-11
rate | words | 速率限制 | Zhipu, Volcengine | 2026-11
rate | words | 并发 | Zhipu error codes | 2026-11
auth | code | invalid_api_key | OpenAI error codes | 2026-11
auth | code | invalidapikey | Alibaba Model Studio error codes | 2026-11
auth | code | invalid-api-key | proxies | 2026-11
auth | code | authentication_error | Anthropic errors | 2026-11
auth | code | invalid_authentication_error | Moonshot | 2026-11
auth | code | incorrect_api_key_error | Moonshot | 2026-11
auth | code | invalid_iam_token | Volcengine Ark | 2026-11
auth | code | unauthenticated | Gemini API | 2026-11
auth | code | unauthorized | Azure, Together | 2026-11
auth | code | api_key_invalid | Gemini API | 2026-11
auth | code | unrecognizedclientexception | Amazon Bedrock | 2026-11
auth | code | expiredtokenexception | Amazon Bedrock | 2026-11
auth | code | account_deactivated | OpenAI error codes | 2026-11
auth | start | incorrect api key | OpenAI, xAI | 2026-11
auth | start | invalid api key | Groq, Fireworks | 2026-11
auth | start | invalid api-key | Alibaba Model Studio error codes | 2026-11
auth | start | invalid x-api-key | Anthropic errors | 2026-11
auth | start | api key not valid | Gemini API | 2026-11
auth | start | api key not found | Gemini API | 2026-11
auth | start | api key expired | Gemini API | 2026-11
auth | start | your api key is invalid | proxies | 2026-11
auth | start | your authentication token is not valid | Hugging Face, Azure | 2026-11
auth | start | authentication fails | DeepSeek error codes | 2026-11
auth | start | no api key | Perplexity, proxies | 2026-11
auth | start | missing api key | proxies | 2026-11
auth | start | no auth credentials found | OpenRouter | 2026-11
auth | start | user not found | OpenRouter | 2026-11
auth | start | this organization has been disabled | Anthropic errors | 2026-11
auth | start | 无效的令牌 | new-api | 2026-11
auth | start | 令牌已过期 | Zhipu, new-api | 2026-11
region | code | unsupported_country_region_territory | OpenAI error codes | 2026-11
region | words | user location is not supported | Gemini API | 2026-11
region | words | country, region, or territory not supported | OpenAI error codes | 2026-11
region | words | not available in your region | xAI, Anthropic, Vertex | 2026-11
region | words | not allowed from unsupported countries | Bedrock | 2026-11
model | code | model_not_found | OpenAI error codes | 2026-11
model | code | model_decommissioned | Groq deprecations | 2026-11
model | code | model_terms_required | Groq | 2026-11
model | code | model_not_active | Groq | 2026-11
model | code | model_not_available | Together | 2026-11
model | code | model_not_supported | GitHub Copilot, Hugging Face | 2026-11
model | code | model_deprecated | proxies | 2026-11
model | code | invalid_model | Mistral, Perplexity | 2026-11
model | code | invalid_model_error | Mistral | 2026-11
model | code | modelnotfound | Alibaba Model Studio error codes | 2026-11
model | code | model_not_exist | proxies | 2026-11
model | code | modelnotopen | Volcengine Ark error codes | 2026-11
model | code | invalidendpointormodel.notfound | Volcengine Ark error codes | 2026-11
model | code | deploymentnotfound | Azure OpenAI | 2026-11
model | code | unknown_model | GitHub Models | 2026-11
model | code | unavailable_model | GitHub Models | 2026-11
model | code | 1211 | docs.bigmodel.cn/cn/api/api-code | 2026-11
model | code | 1311 | docs.bigmodel.cn/cn/api/api-code | 2026-11
model | code | invalidendpoint.closedendpoint | volcengine.com/docs/82379/1299023 | 2025-04
model | words | use case details have not been submitted | Bedrock troubleshooting page | 2026-11
model | code | model_permission_blocked_org | Groq error codes | 2026-11
model | code | model_permission_blocked_project | Groq error codes | 2026-11
model | code | key_model_access_denied | LiteLLM proxy | 2026-11
model | code | team_model_access_denied | LiteLLM proxy | 2026-11
model | code | user_model_access_denied | LiteLLM proxy | 2026-11
model | code | org_model_access_denied | LiteLLM proxy | 2026-11
model | code | project_model_access_denied | LiteLLM proxy | 2026-11
model | code | model.accessdenied | Alibaba Model Studio error codes | 2026-11
model | code | accessdenied.unpurchased | Alibaba Model Studio error codes | 2026-11
model | code | model_is_deactivated | Groq | 2026-11
model | words | matching your data policy | OpenRouter, anon-kode issue 13 | 2025-03
model | words | matching your guardrail restrictions | OpenRouter | 2026-11
model | words | all providers have been ignored | OpenRouter, ignored providers | 2026-11
model | words | is requiring a key to access this model | OpenRouter, own keys | 2025-08
model | start | this model is unavailable for free | OpenRouter, free variants | 2026-11
model | words | this model is not available in your | OpenRouter, regions | 2026-11
model | start | this model requires a subscription | Ollama cloud | 2026-11
model | start | invocation of model id | Amazon Bedrock | 2026-11
model | start | model not exist | DeepSeek | 2026-11
model | start | you don't have access to the model | Amazon Bedrock | 2026-11
model | start | unknown model | xAI, GitHub Models, proxies | 2026-11
model | start | invalid model | Perplexity, Mistral, LiteLLM | 2026-11
model | start | no such model | Cloudflare Workers AI | 2026-11
model | start | the api deployment for this resource does not exist | Azure OpenAI | 2026-11
model | start | the provided model identifier is invalid | Amazon Bedrock | 2026-11
model | start | 模型不存在 | Zhipu error codes | 2026-11
route | words | invalid url | OpenAI | 2026-11
route | words | unknown url | xAI | 2026-11
route | words | unknown request url | Groq | 2026-11
route | words | page not found | web servers | 2026-11
route | words | 404 page | Go web servers | 2026-11
route | words | cannot get | Express | 2026-11
route | words | cannot post | Express | 2026-11
route | words | no route | Kong, Envoy | 2026-11
account | words | your organization | Anthropic rate limits | 2026-11
account | words | your organisation | proxies | 2026-11
account | words | in organization | OpenAI rate limits | 2026-11
account | words | this organization | Anthropic, OpenAI | 2026-11
account | words | organization's | Anthropic rate limits | 2026-11
account | words | your account | DeepSeek, Anthropic, Moonshot | 2026-11
account | words | this account | proxies | 2026-11
account | words | account's | Anthropic, proxies | 2026-11
account | words | account-level | Volcengine, Bedrock | 2026-11
account | words | your workspace | Anthropic workspaces | 2026-11
account | words | your api key | OpenRouter, proxies | 2026-11
account | words | this api key | Vercel AI Gateway, LiteLLM | 2026-11
content | words | content violates usage guidelines | xAI | 2026-11
content | start | request blocked: | OpenRouter guardrails, hermes-agent issue 132504 | 2026-11
"""


def _read(table: str) -> Iterator[Literal]:
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 5 or cells[0].startswith("#"):
            continue
        meaning, kind, words, source, as_of = cells
        yield Literal(
            Meaning(meaning), words, source, as_of, code=kind == "code", start=kind == "start"
        )


LITERALS: tuple[Literal, ...] = tuple(_read(_TABLE))
